#include "backends/openvino/openvino_backend.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <openvino/op/constant.hpp>
#include <openvino/openvino.hpp>
#include <system_error>
#include <utility>

#include "backends/batch_probe.h"
#include "backends/openvino/feature_checks.h"
#include "backends/openvino/graph_files.h"
#include "backends/openvino/helper_threads.h"
#include "backends/openvino/openvino_model.h"
#include "backends/openvino/ov_strings.h"
#include "backends/openvino/ov_types.h"
#include "backends/openvino/signature_graphs.h"
#include "backends/openvino/visible_state.h"
#include "base/log.h"

namespace millrace::backends {
namespace {

constexpr int kDefaultMaxBatch = 64;

char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

struct Weights {
  std::int64_t bytes = 0;
  std::int64_t elements = 0;
  std::string type;  // of most bytes
};

Weights weights_of(const ov::Model& model) {
  Weights weights;
  std::map<std::string, std::int64_t> bytes_of_type;
  for (const auto& node : model.get_ops()) {
    const auto constant = std::dynamic_pointer_cast<ov::op::v0::Constant>(node);
    if (!constant) continue;
    const auto bytes = static_cast<std::int64_t>(constant->get_byte_size());
    weights.bytes += bytes;
    weights.elements += static_cast<std::int64_t>(ov::shape_size(constant->get_shape()));
    bytes_of_type[constant->get_element_type().get_type_name()] += bytes;
  }
  const auto most =
      std::ranges::max_element(bytes_of_type, {}, [](const auto& e) { return e.second; });
  weights.type = most != bytes_of_type.end() ? most->first : "none";
  return weights;
}

Status add_specs(const ov::CompiledModel& compiled, ModelDescription& out) {
  const bool is_onnx = out.family == "onnx";
  for (const auto& port : compiled.inputs()) {
    auto spec = spec_of(port, "input", is_onnx);
    if (!spec) return pass(spec);
    out.inputs.push_back(*std::move(spec));
  }
  for (const auto& port : compiled.outputs()) {
    auto spec = spec_of(port, "output", is_onnx);
    if (!spec) return pass(spec);
    out.outputs.push_back(*std::move(spec));
  }
  return {};
}

// The runtime's reader gives an output that has an input's name another: "x_1".
void restore_names(const Signature& signature, ModelDescription& out) {
  const auto has = [&](const std::string& name) {
    return std::ranges::find(out.outputs, name, &TensorSpec::name) != out.outputs.end();
  };
  for (const SignatureTensor& tensor : signature.outputs) {
    if (has(tensor.name)) continue;
    const auto changed = std::ranges::find(out.outputs, tensor.name + "_1", &TensorSpec::name);
    if (changed != out.outputs.end()) changed->name = tensor.name;
  }
}

// They are the last inputs and outputs; the runtime may have named them after their neighbours.
void name_states(std::vector<StatePair> states, ModelDescription& out) {
  const std::size_t first_input = out.inputs.size() - states.size();
  const std::size_t first_output = out.outputs.size() - states.size();
  for (std::size_t i = 0; i < states.size(); ++i) {
    out.inputs[first_input + i].name = states[i].input;
    out.outputs[first_output + i].name = states[i].output;
  }
  out.states = std::move(states);
}

// By shape inference: the outputs' axis 0 is what the inputs' is. Asked before the model is run,
// because it is cheaper.
bool sizes_agree(const std::shared_ptr<ov::Model>& model) {
  const auto open = [](const ov::PartialShape& shape) {
    return shape.rank().is_static() && shape.size() > 0 && shape[0].is_dynamic();
  };
  for (const std::int64_t rows : {7, 11}) {  // unlikely to be met by chance
    const auto copy = model->clone();
    std::map<ov::Output<ov::Node>, ov::PartialShape> shapes;
    for (const auto& input : copy->inputs()) {
      ov::PartialShape shape = input.get_partial_shape();
      if (!open(shape)) return false;
      shape[0] = rows;
      shapes.emplace(input, std::move(shape));
    }
    copy->reshape(shapes);
    for (const auto& output : copy->outputs()) {
      const ov::PartialShape& shape = output.get_partial_shape();
      if (shape.rank().is_dynamic() || shape.size() == 0 || shape[0] != rows) return false;
    }
  }
  return true;
}

bool axis_0_is_batch(const std::shared_ptr<ov::Model>& model, const CompiledGraph& compiled,
                     const ModelDescription& description) {
  try {
    if (!sizes_agree(model)) return false;
  } catch (const std::exception&) {
    return false;
  }
  OpenvinoModel trial(nullptr, compiled, description);
  return rows_are_independent(trial, description.inputs, description.outputs);
}

ov::AnyMap compile_settings(const ModelSpec& spec, ov::hint::PerformanceMode mode) {
  ov::AnyMap settings{{ov::hint::performance_mode.name(), mode},
                      // Other models want the cores too.
                      {ov::hint::enable_cpu_pinning.name(), false}};
  if (spec.num_instances > 0) settings.insert(ov::num_streams(spec.num_instances));
  if (spec.num_threads > 0) settings.insert(ov::inference_num_threads(spec.num_threads));
  if (!spec.cache_dir.empty()) settings.insert(ov::cache_dir(spec.cache_dir.string()));
  const std::string& precision = spec.inference_precision;
  if (spec.precision == "exact") {
    settings.insert(ov::hint::execution_mode(ov::hint::ExecutionMode::ACCURACY));
  }
  if (precision == "f32") settings.insert(ov::hint::inference_precision(ov::element::f32));
  if (precision == "bf16") settings.insert(ov::hint::inference_precision(ov::element::bf16));
  if (precision == "f16") settings.insert(ov::hint::inference_precision(ov::element::f16));
  return settings;
}

// The device to compile for. AUTO chooses among those that are there; "GPU.1" is one of the GPUs.
Result<std::string> device_of(ov::Core& core, const ModelSpec& spec) {
  if (spec.device.empty()) return std::string("CPU");
  const std::vector<std::string> all = core.get_available_devices();
  const std::string kind = spec.device.substr(0, spec.device.find_first_of(".:"));
  const bool known =
      kind == "AUTO" || kind == "MULTI" || kind == "HETERO" ||
      std::ranges::any_of(all, [&](const std::string& device) {
        return device == spec.device || (kind == spec.device && device.starts_with(kind + "."));
      });
  if (known) return spec.device;
  return invalid(fmt::format("device '{}' is not there; this machine has {}",
                             spec.device.substr(0, 64), fmt::join(all, ", ")),
                 "device");
}

// The rows that may be merged; 0 where axis 0 is no batch.
Result<int> batch_of(const ModelSpec& spec, const std::shared_ptr<ov::Model>& model,
                     const CompiledGraph& compiled, const ModelDescription& description) {
  const int wanted = spec.max_batch_size > 0 ? spec.max_batch_size : kDefaultMaxBatch;
  if (spec.batch_axis == "none") return 0;
  if (has_feature_parts(description)) {
    if (spec.batch_axis != "0") return 0;
    return invalid(
        "axis 0 is said to be a batch (batch-axis), but sparse and ragged features have "
        "rows of values",
        "batch-axis");
  }
  if (spec.batch_axis != "0") {
    return spec.max_batch_size != 1 && axis_0_is_batch(model, compiled, description) ? wanted : 0;
  }
  for (const auto& input : model->inputs()) {
    const ov::PartialShape& shape = input.get_partial_shape();
    const bool open = shape.rank().is_dynamic() || (shape.size() > 0 && shape[0].is_dynamic());
    if (!open) {
      return invalid(fmt::format("axis 0 is said to be a batch (max_batch_size of config.pbtxt, or "
                                 "batch-axis), but input '{}' has shape {}",
                                 input.get_node()->get_friendly_name(), shape.to_string()),
                     "batch-axis");
    }
  }
  return wanted;
}

// Whether to compile the graph once more, to run requests side by side: not where it was said how,
// nor where holding the weights twice would cost much.
bool wants_company(const ModelSpec& spec, const ModelDescription& description) {
  constexpr std::int64_t kMostBytes = std::int64_t{256} << 20;
  const bool open = spec.performance_hint.empty() || spec.performance_hint == "auto";
  return open && spec.num_instances == 0 && description.kernels == "cpu" &&
         description.weight_bytes <= kMostBytes;
}

// Sizes that are known are computed faster: batchable graphs get one row.
std::shared_ptr<ov::Model> with_one_row(const std::shared_ptr<ov::Model>& model) {
  const auto copy = model->clone();
  std::map<ov::Output<ov::Node>, ov::PartialShape> shapes;
  for (const auto& input : copy->inputs()) {
    ov::PartialShape shape = input.get_partial_shape();
    shape[0] = 1;
    shapes.emplace(input, std::move(shape));
  }
  copy->reshape(shapes);
  return copy;
}

void add_company(ov::Core& core, const std::shared_ptr<ov::Model>& model, const ModelSpec& spec,
                 OpenvinoModel& loaded) {
  try {
    const auto graph = loaded.describe().max_batch_size > 0 ? with_one_row(model) : model;
    CompiledGraph compiled =
        compile(core, graph, "CPU", compile_settings(spec, ov::hint::PerformanceMode::THROUGHPUT));
    if (compiled.model.get_property(ov::optimal_number_of_infer_requests) > 1) {
      loaded.add_company(std::move(compiled));
    }
  } catch (const std::exception& e) {
    log_debug("model {}: requests will not run side by side: {}", spec.name, e.what());
  }
}

// Whether executions may be so short that they run on the caller's thread (ShortRuns): not where
// reading the weights alone takes longer.
bool may_be_short(const ModelDescription& description) {
  constexpr std::int64_t kMostBytes = std::int64_t{4} << 20;
  return description.kernels == "cpu" && description.weight_bytes <= kMostBytes;
}

// With this setting the runtime computes on the caller's thread as it is. Else it enters an arena
// of its thread library for each execution, which sets the thread's affinity twice: three system
// calls, more than a small graph computes.
constexpr const char* kWithoutArena = "EXCLUSIVE_ASYNC_REQUESTS";

void add_short(ov::Core& core, const std::shared_ptr<ov::Model>& model, ModelSpec spec,
               OpenvinoModel& loaded) {
  try {
    spec.num_threads = spec.num_instances = 1;
    ov::AnyMap settings = compile_settings(spec, ov::hint::PerformanceMode::LATENCY);
    settings[kWithoutArena] = true;
    const auto graph = loaded.describe().max_batch_size > 0 ? with_one_row(model) : model;
    loaded.add_short(compile(core, graph, "CPU", settings));
  } catch (const std::exception& e) {
    log_debug("model {}: short executions are not treated apart: {}", spec.name, e.what());
  }
}

}  // namespace

struct OpenvinoBackend::State {
  std::mutex mutex;
  std::unique_ptr<ov::Core> first;

  // One for each load: the inference threads that a model leaves behind when it goes are lent to
  // the next one of the same runtime, and those would not give way with the thread that loads.
  std::shared_ptr<ov::Core> runtime() {
    std::lock_guard lock(mutex);
    if (!first) first = std::make_unique<ov::Core>();  // keeps the libraries that all of them need
    auto core = std::make_shared<ov::Core>();
    core->set_property(ov::enable_mmap(false));  // a file that shrinks must not end the process
    return core;
  }
};

namespace {

// One load: from files to a model that answers, with the further signatures of a SavedModel.
class GraphLoad {
 public:
  GraphLoad(OpenvinoBackend::State& state, const ModelSpec& spec, LoadContext& context,
            const GraphFile& file)
      : state_(state), spec_(spec), context_(context), file_(file) {}
  Result<std::unique_ptr<Servable>> run();

 private:
  using Loaded = Result<std::unique_ptr<OpenvinoModel>>;

  std::string file_name() const { return file_.path.filename().string(); }
  void progress(double done, const char* what) const {
    if (context_.progress) context_.progress(done, what);
  }
  Result<std::unique_ptr<Servable>> load_file();
  Result<std::unique_ptr<Servable>> load_signatures(const SignatureGraphs& graphs);
  SignatureGraph first_graph(const SignatureGraphs& graphs);
  Loaded load_graph(const SignatureGraph& graph, const Signature& signature, bool is_first);
  ModelDescription described(const ov::Model& model, const Signature& signature) const;

  OpenvinoBackend::State& state_;
  const ModelSpec& spec_;
  LoadContext& context_;
  const GraphFile& file_;
  std::shared_ptr<ov::Core> core_;
  std::string device_;
  const char* doing_ = "read";
};

Result<std::unique_ptr<Servable>> GraphLoad::run() {
  try {
    progress(0, "reading the graph");
    core_ = state_.runtime();
    auto device = device_of(*core_, spec_);
    if (!device) return std::unexpected(device.error());
    device_ = *std::move(device);
    return load_file();
  } catch (const std::exception& e) {
    log_debug("model {}: {}", spec_.name, e.what());
    return invalid(
        fmt::format("'{}': OpenVINO cannot {} it: {}", file_name(), doing_, reason_of(e.what())));
  }
}

Result<std::unique_ptr<Servable>> GraphLoad::load_file() {
  std::error_code error;
  if (std::filesystem::is_directory(file_.path, error)) {  // of a SavedModel
    auto graphs = SignatureGraphs::open(file_.path, spec_.signatures);
    if (!graphs) return pass(graphs);
    if (!graphs->signatures().empty()) return load_signatures(*graphs);
  }
  return load_graph({.model = core_->read_model(file_.path.string())}, {}, true);
}

Result<std::unique_ptr<Servable>> GraphLoad::load_signatures(const SignatureGraphs& graphs) {
  const auto& signatures = graphs.signatures();
  auto first = load_graph(first_graph(graphs), signatures[0], true);
  if (!first) return first;
  for (std::size_t i = 1; i < signatures.size(); ++i) {
    progress(0.8, "its further signatures");
    Loaded further;
    try {
      further = load_graph(graphs.graph(signatures[i]), signatures[i], false);
    } catch (const std::exception& e) {
      further = invalid(reason_of(e.what()));
    }
    if (further) {
      (*first)->add_signature(*std::move(further));
    } else {
      log_warn("model {}: signature '{}' is not served: {}", spec_.name, signatures[i].name,
               further.error().message);
    }
  }
  progress(1, "ready");
  return first;
}

// The runtime's own choice of inputs and outputs where the signature cannot be cut out.
SignatureGraph GraphLoad::first_graph(const SignatureGraphs& graphs) {
  try {
    return graphs.graph(graphs.signatures()[0]);
  } catch (const std::exception& e) {
    log_debug("model {}: {}", spec_.name, e.what());
    auto whole = core_->read_model(file_.path.string());
    if (whole->inputs().empty()) throw;
    return {.model = std::move(whole)};
  }
}

ModelDescription GraphLoad::described(const ov::Model& model, const Signature& signature) const {
  ModelDescription description;
  description.name = spec_.name;
  description.backend = "openvino";
  description.family = file_.format;
  description.signature = signature.name;
  description.signature_method = signature.method;
  description.kernels = device_;
  std::ranges::transform(description.kernels, description.kernels.begin(), ascii_lower);
  const Weights weights = weights_of(model);
  description.num_parameters = weights.elements;
  description.weight_bytes = weights.bytes;
  description.weights = weights.type;
  return description;
}

GraphLoad::Loaded GraphLoad::load_graph(const SignatureGraph& graph, const Signature& signature,
                                        bool is_first) {
  const std::shared_ptr<ov::Model>& model = graph.model;
  auto states = make_state_visible(model);
  if (!states) return invalid(fmt::format("'{}': {}", file_name(), states.error().message));
  auto strings = StringCodes::encode(*model);
  if (!strings) return invalid(fmt::format("'{}': {}", file_name(), strings.error().message));
  ModelDescription description = described(*model, signature);
  description.examples = graph.examples;
  progress(0.3, "compiling");
  doing_ = "compile";
  const auto mode = spec_.performance_hint == "throughput" ? ov::hint::PerformanceMode::THROUGHPUT
                                                           : ov::hint::PerformanceMode::LATENCY;
  CompiledGraph compiled = compile(*core_, model, device_, compile_settings(spec_, mode));
  if (Status added = add_specs(compiled.model, description); !added) {
    added.error().message = fmt::format("'{}': {}", file_name(), added.error().message);
    return pass(added);
  }
  restore_names(signature, description);
  name_states(*std::move(states), description);
  progress(0.8, "trying it out");
  const auto batch = batch_of(spec_, model, compiled, description);
  if (!batch) return std::unexpected(batch.error());
  description.max_batch_size = *batch;
  if (*strings) (*strings)->describe(description);
  const bool company = is_first && wants_company(spec_, description);
  const bool may_run_short = may_be_short(description);
  auto loaded = std::make_unique<OpenvinoModel>(core_, std::move(compiled), std::move(description),
                                                *std::move(strings));
  if (company) {
    progress(0.9, "compiling for requests side by side");
    add_company(*core_, model, spec_, *loaded);
  }
  if (may_run_short) add_short(*core_, model, spec_, *loaded);
  progress(1, "ready");
  return loaded;
}

}  // namespace

OpenvinoBackend::OpenvinoBackend() : state_(std::make_unique<State>()) {}
OpenvinoBackend::~OpenvinoBackend() = default;

bool OpenvinoBackend::recognises(const ModelSpec& spec) const {
  return find_graph_file(spec.path).has_value();
}

Result<std::unique_ptr<Servable>> OpenvinoBackend::load(const ModelSpec& spec,
                                                        LoadContext& context) {
  const auto file = find_graph_file(spec.path);
  if (!file) return std::unexpected(file.error());
  return without_helpers([&] { return GraphLoad(*state_, spec, context, *file).run(); });
}

}  // namespace millrace::backends
