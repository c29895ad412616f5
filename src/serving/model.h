// One loaded version of a model, and the handle that keeps it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "servable/servable.h"
#include "serving/batcher.h"
#include "serving/image/image_model.h"
#include "serving/model_checks.h"
#include "serving/model_scan.h"
#include "serving/sequence_room.h"
#include "serving/tensor_stats.h"
#include "serving/text_model.h"

namespace millrace::serving {

// One loaded version of a model. Immutable; its parts are thread-safe.
class Model {
 public:
  // `plan`: of sequence models (plan_sequences), else nothing. `signatures`: what the servable had
  // of them.
  Model(FoundModel found, std::unique_ptr<Servable> servable, std::unique_ptr<TextModel> text,
        std::optional<ImageModel> image, Metrics& metrics, std::optional<SequencePlan> plan = {},
        std::vector<std::unique_ptr<Servable>> signatures = {});

  const std::string& name() const { return found_.spec.name; }
  const std::string& version() const { return found_.version; }
  // What was read of it before it was loaded: settings, labels, where it lies.
  const FoundModel& found() const { return found_; }
  // As clients see it: inputs that the server fills and outputs that it keeps are not in it.
  const ModelDescription& description() const { return description_; }
  Generator* generator() const { return servable_->generator(); }
  Embedder* embedder() const { return servable_->embedder(); }
  const TextModel* text() const { return text_.get(); }  // null for models without text
  Batcher* batcher() const { return batcher_.get(); }    // null for models without tensors
  const ImageModel* image() const { return image_ ? &*image_ : nullptr; }  // null: see task()
  // "classify", "detect": what may be asked of it about pictures; else empty.
  std::string_view task() const {
    if (image_) return to_string(image_->task());  // as one expression it would be a temporary
    return description().task;
  }
  // Not null where the model keeps state: requests then name their sequence and go in here.
  SequenceRoom* sequences() const { return sequences_.get(); }
  // Where a declared shape is not the graph's (config.pbtxt's reshape): between the two, in place.
  // Sizes were checked against description().
  void to_graph(std::vector<InputTensor>& inputs) const;
  void to_client(std::vector<OutputTensor>& outputs) const;
  const TensorStats* tensor_stats() const { return stats_.get(); }
  // The names of an output's indices (label_filename); empty where there are none.
  const std::vector<std::string>& output_labels(std::string_view output) const;
  // Its name as one of a SavedModel's; of other models what TensorFlow Serving calls theirs.
  std::string_view signature() const;
  // The further ones: models without image, state and what an operator's file says of tensors.
  const std::vector<std::unique_ptr<const Model>>& signatures() const { return signatures_; }
  std::int64_t created() const { return created_; }  // seconds since 1970
  // Changes when the answers may: model, version, weights, kernels.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  Model(const Model& whole, std::unique_ptr<Servable> signature);

  FoundModel found_;
  std::string fingerprint_;
  std::int64_t created_;
  std::unique_ptr<Servable> servable_;
  ModelDescription description_;
  std::vector<Reshape> input_reshapes_, output_reshapes_;  // by index in description()
  std::unique_ptr<TextModel> text_;
  std::optional<ImageModel> image_;
  std::shared_ptr<TensorStats> stats_;       // the same in all signatures
  std::unique_ptr<Batcher> batcher_;         // goes before what it uses
  std::unique_ptr<SequenceRoom> sequences_;  // goes first
  std::vector<std::unique_ptr<const Model>> signatures_;
};

// Pins a model: every request in flight holds one, so the model outlives them all. Whoever drops
// the last one hands the model to the store's own thread, which takes it down.
using ModelHandle = std::shared_ptr<const Model>;

// The same files under another of their signatures; pins the model. An empty name is the model's
// own. invalid_argument ("signature_name") where there is none of that name.
Result<ModelHandle> find_signature(const ModelHandle& model, std::string_view name);

}  // namespace millrace::serving
