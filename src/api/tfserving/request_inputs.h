// The inputs of a request as TensorFlow Serving's clients send them: whole tensors, rows, or
// examples.
#pragma once

#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "api/nested_tensor.h"
#include "base/json.h"
#include "base/result.h"
#include "serving/tensor_request.h"

namespace millrace::api {

using JsonValues = std::vector<const json::value*>;

// What clients of TensorFlow see as the inputs of a model: those of the SavedModel's file.
std::vector<TensorSpec> tf_inputs(const ModelDescription& model);

// Adds one input after the other to a request, whose owner it becomes.
class RequestInputs {
 public:
  explicit RequestInputs(serving::TensorRequest& request) : request_(request) {
    request.owner = storage_;
  }

  const ModelDescription& model() const { return request_.model->description(); }
  // The input of that name, be it serialised examples. Errors name it.
  Result<const TensorSpec*> find(std::string_view name) const;
  // Where clients leave out the name: the model's only input, or that of serialised examples where
  // the value is text. `key`: where it stands in the body.
  Result<const TensorSpec*> only(const char* key, const json::value& value) const;

  Status add_whole(const TensorSpec& spec, const json::value& value);
  Status add_rows(const TensorSpec& spec, const JsonValues& rows);
  Status add(const TensorSpec& spec, Result<NestedTensor> tensor);
  // The largest number of trailing dimensions of 1 that an input was sent without.
  int num_added_ones() const { return added_; }

 private:
  serving::TensorRequest& request_;
  std::shared_ptr<std::deque<std::vector<std::byte>>> storage_ =
      std::make_shared<std::deque<std::vector<std::byte>>>();
  int added_ = 0;
};

}  // namespace millrace::api
