#include "api/grpc/tf_example_calls.h"

#include <fmt/format.h>

#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/grpc/tf_example_message.h"
#include "api/grpc/tf_run_calls.h"
#include "api/grpc/wire_size.h"

namespace millrace::api {
namespace {

namespace tfs = tensorflow::serving;

constexpr std::size_t kMostTasks = 64;

// Fills the result of a request; `out` is a ClassificationResult or a RegressionResult.
Status write_result(const serving::Model& model, const serving::TensorAnswer& answer,
                    tfs::ClassificationResult& out) {
  const auto classes = find_classes(model.description(), answer);
  if (!classes) return std::unexpected(classes.error());
  write_classes(*classes, out);
  return {};
}
Status write_result(const serving::Model& model, const serving::TensorAnswer& answer,
                    tfs::RegressionResult& out) {
  const auto numbers = find_regressions(model.description(), answer);
  if (!numbers) return std::unexpected(numbers.error());
  write_regressions(*numbers, out);
  return {};
}

template <class Response>
Result<std::string> write_response(const serving::Model& model,
                                   const serving::TensorAnswer& answer) {
  Response response;
  if (Status done = write_result(model, answer, *response.mutable_result()); !done) {
    return pass(done);
  }
  describe_tf_signature(model, *response.mutable_model_spec());
  return response.SerializeAsString();
}

template <class T>
Result<T> parse_head(const std::vector<std::string_view>& pieces) {
  T head;
  for (const std::string_view piece : pieces) {
    T part;
    if (!part.ParseFromArray(piece.data(), static_cast<int>(piece.size()))) {
      return malformed_message();
    }
    head.MergeFrom(part);
  }
  return head;
}

template <class Response>
Status start(const ApiContext& context, const std::shared_ptr<Call>& call, Message& message) {
  const TimePoint arrival = message.arrival;
  const std::string bytes = message.take();
  const auto read = read_example_request(bytes);
  if (!read) return std::unexpected(read.error());
  const auto spec = parse_head<tfs::ModelSpec>(read->heads);
  if (!spec) return std::unexpected(spec.error());
  auto model = find_tf_signature(context, *spec);
  if (!model) return pass(model);
  serving::TensorRequest request = tf_request(context, *call, arrival, *std::move(model));
  if (Status done = read_examples(read->input, request); !done) return done;
  return run_tf(context, call, std::move(request), write_response<Response>);
}

// The answers of several tasks on their way into one response.
class Gathering {
 public:
  Gathering(std::shared_ptr<Call> call, std::size_t count) : call_(std::move(call)), left_(count) {
    for (std::size_t i = 0; i < count; ++i) response_.add_results();
  }
  const Call& call() const { return *call_; }

  void add(std::size_t index, Result<tfs::InferenceResult> result) {
    std::lock_guard lock(mutex_);
    if (!result) return call_->fail(result.error());  // the call is over: more is not heard
    response_.mutable_results(static_cast<int>(index))->Swap(&*result);
    if (--left_ == 0) call_->answer(response_.SerializeAsString());
  }

 private:
  const std::shared_ptr<Call> call_;
  std::mutex mutex_;
  tfs::MultiInferenceResponse response_;
  std::size_t left_;
};

struct Task {
  serving::ModelHandle model;
  bool classifies = false;

  Result<tfs::InferenceResult> result_of(const serving::TensorAnswer& answer) const {
    tfs::InferenceResult result;
    const Status done = classifies
                            ? write_result(*model, answer, *result.mutable_classification_result())
                            : write_result(*model, answer, *result.mutable_regression_result());
    if (!done) return std::unexpected(done.error());
    describe_tf_signature(*model, *result.mutable_model_spec());
    return result;
  }
};

Result<std::vector<Task>> read_tasks(const ApiContext& context, const ExampleRequest& request) {
  std::vector<Task> tasks;
  std::set<std::string_view> signatures;
  if (request.heads.empty() || request.heads.size() > kMostTasks) {
    return invalid(fmt::format("'tasks' must be 1 to {}", kMostTasks), "tasks");
  }
  for (const std::string_view head : request.heads) {
    const auto task = parse_head<tfs::InferenceTask>({head});
    if (!task) return std::unexpected(task.error());
    const std::string& method = task->method_name();
    const bool classifies = method == "tensorflow/serving/classify";
    if (!classifies && method != "tensorflow/serving/regress") {
      return invalid(fmt::format("method_name {} is not served: a task is "
                                 "'tensorflow/serving/classify' or 'tensorflow/serving/regress'",
                                 safe_name(method)),
                     "method_name");
    }
    auto model = find_tf_signature(context, task->model_spec());
    if (!model) return pass(model);
    if (!tasks.empty() && (*model)->name() != tasks[0].model->name()) {
      return invalid("all tasks must ask the same model", "tasks");
    }
    if (!signatures.insert((*model)->signature()).second) {
      return invalid(fmt::format("signature {} is asked twice", safe_name((*model)->signature())),
                     "tasks");
    }
    tasks.push_back({.model = *std::move(model), .classifies = classifies});
  }
  return tasks;
}

Status start_tasks(const ApiContext& context, const std::shared_ptr<Call>& call, Message& message) {
  const TimePoint arrival = message.arrival;
  const std::string bytes = message.take();
  const auto read = read_example_request(bytes);
  if (!read) return std::unexpected(read.error());
  const auto tasks = read_tasks(context, *read);
  if (!tasks) return std::unexpected(tasks.error());
  std::vector<serving::TensorRequest> requests;
  for (const Task& task : *tasks) {
    requests.push_back(tf_request(context, *call, arrival, task.model));
    if (Status done = read_examples(read->input, requests.back()); !done) return done;
  }
  const auto gathering = std::make_shared<Gathering>(call, tasks->size());
  for (std::size_t i = 0; i < tasks->size(); ++i) {
    Status started = context.tensors.infer(
        std::move(requests[i]), [gathering, i, task = (*tasks)[i]](auto answer) {
          if (!answer) return gathering->add(i, std::unexpected(std::move(answer.error())));
          auto result = task.result_of(*answer);
          // The outputs' memory is the model's: given back before the client can ask again.
          answer = std::unexpected(Error{});
          gathering->add(i, std::move(result));
        });
    if (!started) return started;  // those that run end unheard
  }
  return {};
}

}  // namespace

void classify(const ApiContext& context, std::shared_ptr<Call> call, Message message) {
  const Status started = start<tfs::ClassificationResponse>(context, call, message);
  if (!started) call->fail(started.error());
}

void regress(const ApiContext& context, std::shared_ptr<Call> call, Message message) {
  const Status started = start<tfs::RegressionResponse>(context, call, message);
  if (!started) call->fail(started.error());
}

void multi_inference(const ApiContext& context, std::shared_ptr<Call> call, Message message) {
  const Status started = start_tasks(context, call, message);
  if (!started) call->fail(started.error());
}

}  // namespace millrace::api
