#include "backends/torch/torch_backend.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "backends/batch_probe.h"
#include "backends/torch/declared_tensors.h"
#include "backends/torch/torch_files.h"
#include "backends/torch/torch_model.h"
#include "backends/torch/torch_module.h"
#include "base/cores.h"

namespace millrace::backends {
namespace fs = std::filesystem;
namespace {

constexpr int kDefaultMaxBatch = 64;
constexpr int kMaxInstances = 2;  // one more computes while another one's serial parts run

TorchThreads threads_for(const ModelSpec& spec) {
  const int threads = spec.num_threads > 0 ? spec.num_threads : usable_cores();
  const int instances = std::clamp(threads, 1, kMaxInstances);
  return {.num_instances = instances, .per_instance = std::max(1, threads / instances)};
}

template <class Named>
bool has_name(const std::vector<Named>& all, const std::string& name) {
  return std::ranges::any_of(all, [&](const Named& one) { return one.name == name; });
}

// What to write into model.toml.
std::unexpected<Error> undeclared(const std::string& file, const std::vector<std::string>& names) {
  const std::string whose = names.empty() ? std::string("each of its inputs, in order")
                                          : fmt::format("each of {}", fmt::join(names, ", "));
  return invalid(fmt::format(
      "'{}' does not say of what type and shape its inputs are: write into model.toml, for {}: "
      "[[input]] name = \"{}\", dtype = \"FP32\", shape = [-1, 3] (a line each; -1 is any size)",
      file, whose, names.empty() ? "x" : names.front()));
}

// The declared inputs are forward()'s.
Status check_inputs(const std::string& file, const TorchFacts& facts,
                    const std::vector<TensorSpec>& declared) {
  std::vector<std::string> missing;
  for (const TorchParameter& parameter : facts.parameters) {
    const bool is_there = has_name(declared, parameter.name);
    if (parameter.required && !is_there) missing.push_back(parameter.name);
  }
  if (!missing.empty() || declared.empty()) return undeclared(file, missing);
  if (facts.parameters.empty()) return {};
  for (const TensorSpec& spec : declared) {
    if (has_name(facts.parameters, spec.name)) continue;
    std::vector<std::string> known;
    for (const TorchParameter& parameter : facts.parameters) known.push_back(parameter.name);
    return invalid(fmt::format("'{}': model.toml names an input '{}', but forward() takes {}", file,
                               spec.name, fmt::join(known, ", ")));
  }
  return {};
}

// One run on made-up inputs; an error where the program cannot be run on any.
Result<TorchOutputs> try_out(const TorchProgram& program, const std::vector<TensorSpec>& inputs,
                             std::int64_t rows, std::int64_t* size) {
  Error last{.kind = ErrorKind::invalid_argument, .message = "its inputs are too large"};
  const auto sizes = *size > 0 ? std::span<const std::int64_t>(size, 1)
                               : std::span<const std::int64_t>(kMadeUpSizes);
  for (const std::int64_t tried : sizes) {
    const auto made = make_up_inputs(inputs, rows, tried);
    if (!made) continue;
    auto outputs = program.run(inputs, made->batch().inputs);
    if (!outputs) {
      last = std::move(outputs.error());
      continue;
    }
    *size = tried;
    return outputs;
  }
  return std::unexpected(std::move(last));
}

// Output shapes from two runs: what differs between them is open.
Result<std::vector<TensorSpec>> learn_outputs(const TorchProgram& program,
                                              const std::vector<TensorSpec>& inputs) {
  std::int64_t size = 0;
  const auto first = try_out(program, inputs, 2, &size);
  if (!first) return std::unexpected(first.error());
  std::int64_t other_size = size + 8;
  auto second = try_out(program, inputs, 3, &other_size);
  if (!second) second = try_out(program, inputs, 3, &size);  // perhaps only some sizes go
  std::vector<TensorSpec> specs;
  for (std::size_t i = 0; i < first->values.size(); ++i) {
    TensorSpec& spec = specs.emplace_back();
    spec.dtype = first->values[i].dtype;
    spec.name = i < first->names.size()     ? first->names[i]
                : first->values.size() == 1 ? std::string("output")
                                            : fmt::format("output_{}", i);
    const auto dims = first->values[i].shape.dims();
    std::vector<std::int64_t> learnt(dims.begin(), dims.end());
    const bool comparable = second && i < second->values.size() &&
                            second->values[i].shape.rank() == first->values[i].shape.rank();
    for (std::size_t d = 0; d < learnt.size(); ++d) {
      if (comparable && second->values[i].shape.dims()[d] != learnt[d]) learnt[d] = -1;
    }
    spec.any_rank = second && !comparable;
    spec.shape = spec.any_rank ? Shape() : Shape(learnt);
  }
  return specs;
}

std::int64_t file_bytes(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  return error ? 0 : static_cast<std::int64_t>(size);
}

ModelDescription describe(const ModelSpec& spec, const fs::path& file, TorchFormat format,
                          const TorchFacts& facts) {
  ModelDescription d;
  d.name = spec.name;
  d.backend = "torch";
  d.family = format == TorchFormat::script ? "torchscript" : "aotinductor";
  d.kernels = facts.device;
  d.num_parameters = facts.num_weights;
  d.weight_bytes = facts.weight_bytes > 0 ? facts.weight_bytes : file_bytes(file);
  d.weights = facts.weight_type.empty() ? "none" : facts.weight_type;
  return d;
}

}  // namespace

TorchBackend::TorchBackend() {
  // Compiled packages then compare their inputs with what they were compiled for; without it a
  // shape that model.toml declares wrongly would be read beyond its end.
  ::setenv("AOTI_RUNTIME_CHECK_INPUTS", "1", 1);
}

bool TorchBackend::recognises(const ModelSpec& spec) const {
  return find_torch_file(spec.path).has_value();
}

Result<std::unique_ptr<Servable>> TorchBackend::load(const ModelSpec& spec, LoadContext& context) {
  const auto progress = [&](double done, const char* what) {
    if (context.progress) context.progress(done, what);
  };
  const auto file = find_torch_file(spec.path);
  if (!file) return std::unexpected(file.error());
  const std::string file_name = file->filename().string();
  const auto named = [&](Error error) {
    error.message = fmt::format("'{}': {}", file_name, error.message);
    return std::unexpected(std::move(error));
  };
  const auto format = torch_format(*file);
  if (!format) return std::unexpected(format.error());
  auto declared = read_declared_tensors(spec.path);
  if (!declared) return pass(declared);
  progress(0, "opening LibTorch");
  const auto library = open_torch_module();
  if (!library) return std::unexpected(library.error());
  progress(0.2, "reading the program");
  const TorchThreads threads = threads_for(spec);
  const auto program = (*library)->load({.path = *file,
                                         .is_package = *format == TorchFormat::package,
                                         .num_concurrent = threads.num_instances});
  if (!program) return named(program.error());
  if (Status known = check_inputs(file_name, (*program)->facts(), declared->inputs); !known) {
    return pass(known);
  }
  progress(0.6, "trying it out");
  ModelDescription description = describe(spec, *file, *format, (*program)->facts());
  description.inputs = std::move(declared->inputs);
  description.outputs = std::move(declared->outputs);
  if (description.outputs.empty()) {
    auto learnt = learn_outputs(**program, description.inputs);
    if (!learnt) {
      learnt.error().message +=
          "; this was on made-up inputs: compare [[input]] of model.toml with the program, or "
          "declare its [[output]] there too";
      return named(std::move(learnt.error()));
    }
    description.outputs = *std::move(learnt);
  }
  if (spec.max_batch_size != 1) {
    TorchModel trial(**library, *program, description, {});
    if (rows_are_independent(trial, description.inputs, description.outputs)) {
      description.max_batch_size = spec.max_batch_size > 0 ? spec.max_batch_size : kDefaultMaxBatch;
    }
  }
  progress(1, "ready");
  return std::make_unique<TorchModel>(**library, *program, std::move(description), threads);
}

}  // namespace millrace::backends
