#include "backends/contract_test.h"

#include "backends/native/native_backend.h"
#include "backends/sim/sim_backend.h"
#include "models/tiny_models.h"
#include "weights/test_files.h"

namespace millrace::backends {
namespace {

std::unique_ptr<Servable> make_sim(Metrics& metrics) {
  LoadContext context{.metrics = metrics, .progress = {}};
  ModelSpec spec;
  spec.name = "sim";
  spec.sim = {{"step_ms", "0.5"}};
  auto model = SimBackend().load(spec, context);
  return model ? *std::move(model) : nullptr;
}

// A tiny random model in a folder that is gone once it is loaded.
std::unique_ptr<Servable> make_native(const char* name, Metrics& metrics) {
  const models::TinyModel tiny = models::make_tiny_model(name);
  const weights::ScratchFolder folder;
  folder.write("config.json", dump_json(tiny.config));
  folder.write("model.safetensors", models::safetensors_bytes(tiny));
  LoadContext context{.metrics = metrics, .progress = {}};
  ModelSpec spec;
  spec.name = name;
  spec.path = folder.path();
  spec.max_num_seqs = 8;
  auto model = NativeBackend().load(spec, context);
  EXPECT_TRUE(model.has_value()) << model.error().message;
  return model ? *std::move(model) : nullptr;
}

INSTANTIATE_TEST_SUITE_P(Sim, GeneratorContract, testing::Values(ContractCase{"sim", make_sim}));

INSTANTIATE_TEST_SUITE_P(
    Native, GeneratorContract,
    testing::Values(ContractCase{"llama",
                                 [](Metrics& m) { return make_native("llama_tied_odd", m); }},
                    ContractCase{"gpt2", [](Metrics& m) { return make_native("gpt2_bf16", m); }}));

}  // namespace
}  // namespace millrace::backends
