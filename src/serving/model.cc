#include "serving/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"

namespace millrace::serving {
namespace {

// FNV-1a: a short stable name for a build of a model, no security in it.
std::string short_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{:012x}", hash >> 16);
}

BatcherOptions batcher_options(const FoundModel& found, const ModelDescription& d) {
  BatcherOptions options{.limits = {.max_rows = std::max(1, d.max_batch_size),
                                    .preferred_rows = found.graph.batch.preferred_sizes,
                                    .fixed_delay = found.graph.batch.max_delay}};
  options.settings = found.graph.batch;
  if (options.settings.queue.max_size == 0) {
    const int of_all = found.spec.max_num_queued;
    options.settings.queue.max_size = of_all > 0 ? of_all : kDefaultMaxQueued;
  }
  return options;
}

}  // namespace

Model::Model(FoundModel found, std::unique_ptr<Servable> servable, std::unique_ptr<TextModel> text,
             std::optional<ImageModel> image, Metrics& metrics, std::optional<SequencePlan> plan,
             std::vector<std::unique_ptr<Servable>> signatures)
    : found_(std::move(found)),
      created_(unix_seconds()),
      servable_(std::move(servable)),
      description_(declared_description(found_.graph, servable_->describe())),
      text_(std::move(text)),
      image_(std::move(image)) {
  const ModelDescription& d = servable_->describe();
  fingerprint_ =
      "fp_" + short_hash(fmt::format("{}/{}/{}/{}/{}/{}/{}", name(), version(), d.backend, d.family,
                                     d.weights, d.kernels, d.num_parameters));
  TensorModel* tensors = servable_->tensor_model();
  if (!tensors) return;
  stats_ = std::make_shared<TensorStats>(metrics, name(), version());
  batcher_ = std::make_unique<Batcher>(*tensors, d, *stats_, batcher_options(found_, d));
  if (plan) {
    description_ = client_description(*plan, description_);
    sequences_ = std::make_unique<SequenceRoom>(*std::move(plan), found_.graph.sequence, *batcher_,
                                                metrics, name(), version());
  }
  const bool batched = d.max_batch_size > 0;
  input_reshapes_ = reshapes_of(found_.graph.inputs, description_.inputs, batched, true);
  output_reshapes_ = reshapes_of(found_.graph.outputs, description_.outputs, batched, false);
  for (auto& signature : signatures) {
    if (!signature->tensor_model()) continue;
    signatures_.push_back(std::unique_ptr<const Model>(new Model(*this, std::move(signature))));
  }
}

Model::Model(const Model& whole, std::unique_ptr<Servable> signature)
    : found_(whole.found_),
      fingerprint_(whole.fingerprint_),
      created_(whole.created_),
      servable_(std::move(signature)),
      description_(servable_->describe()),
      stats_(whole.stats_) {
  found_.graph = {.batch = whole.found_.graph.batch};
  found_.image.reset();
  batcher_ = std::make_unique<Batcher>(*servable_->tensor_model(), description_, *stats_,
                                       batcher_options(found_, description_));
}

std::string_view Model::signature() const {
  return description_.signature.empty() ? std::string_view("serving_default")
                                        : description_.signature;
}

void Model::to_graph(std::vector<InputTensor>& inputs) const {
  for (const Reshape& reshape : input_reshapes_) {
    Shape& shape = inputs[reshape.index].shape;
    shape = reshaped(shape, reshape);
  }
}

void Model::to_client(std::vector<OutputTensor>& outputs) const {
  for (const Reshape& reshape : output_reshapes_) {
    Shape& shape = outputs[reshape.index].shape;
    shape = reshaped(shape, reshape);
  }
}

const std::vector<std::string>& Model::output_labels(std::string_view output) const {
  static const std::vector<std::string> kNone;
  const auto found = std::ranges::find(found_.graph.outputs, output, &TensorDeclaration::name);
  return found == found_.graph.outputs.end() ? kNone : found->labels;
}

Result<ModelHandle> find_signature(const ModelHandle& model, std::string_view name) {
  if (name.empty() || name == model->signature()) return model;
  std::string names = fmt::format("'{}'", model->signature());
  for (const auto& other : model->signatures()) {
    if (other->signature() == name) return ModelHandle(model, other.get());
    names += fmt::format(", '{}'", other->signature());
  }
  std::string shown(name.substr(0, 64));
  std::ranges::replace_if(shown, [](char c) { return c < 0x20 || c == 0x7f; }, '?');
  return invalid(fmt::format("Serving signature name '{}' not found: the model has {}", shown,
                             names.substr(0, 200)),
                 "signature_name");
}

}  // namespace millrace::serving
