#include "backends/torch/torch_model.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/worker_pool.h"

namespace millrace::backends {
namespace {

std::int64_t ns_between(TimePoint from, TimePoint to) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count();
}

// With open sizes the caller can send what does not fit together; otherwise it is not its fault.
bool leaves_sizes_open(const ModelDescription& description) {
  return std::ranges::any_of(description.inputs, [&](const TensorSpec& spec) {
    const auto dims = spec.shape.dims();
    const std::size_t batch = description.max_batch_size > 0 ? 1 : 0;
    return std::ranges::any_of(dims.subspan(batch), [](std::int64_t dim) { return dim < 0; });
  });
}

bool fits(const TensorSpec& spec, const TorchOutput& output) {
  if (output.dtype != spec.dtype) return false;
  if (spec.any_rank) return true;
  return std::ranges::equal(spec.shape.dims(), output.shape.dims(),
                            [](auto want, auto got) { return want < 0 || want == got; });
}

}  // namespace

TorchModel::TorchModel(const TorchLibrary& library, std::shared_ptr<const TorchProgram> program,
                       ModelDescription description, TorchThreads threads)
    : library_(library),
      program_(std::move(program)),
      description_(std::move(description)),
      threads_(threads) {
  for (int i = 0; i < std::max(1, threads.num_instances); ++i) {
    workers_.emplace_back([this] {
      name_this_thread("torch");
      work();
    });
  }
}

TorchModel::~TorchModel() {
  std::deque<Job> left;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    left.swap(waiting_);
  }
  wake_.notify_all();
  for (Job& job : left) {
    job.on_done(fail(ErrorKind::unavailable, "the model was unloaded"));
  }
  for (std::thread& worker : workers_) worker.join();
}

void TorchModel::infer(TensorBatch batch, TensorDone on_done) {
  if (batch.stop.stop_requested()) {
    return on_done(fail(ErrorKind::cancelled, "the request was cancelled"));
  }
  {
    std::lock_guard lock(mutex_);
    if (!closed_) {
      waiting_.push_back({.batch = std::move(batch), .on_done = std::move(on_done)});
      wake_.notify_one();
      return;
    }
  }
  on_done(fail(ErrorKind::unavailable, "the model was unloaded"));
}

void TorchModel::work() {
  library_.set_threads(std::max(1, threads_.per_instance));
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
    if (closed_) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    // What was stopped while it waited is not computed.
    Result<TensorResult> result =
        job.batch.stop.stop_requested()
            ? Result<TensorResult>(fail(ErrorKind::cancelled, "the request was cancelled"))
            : run(job.batch);
    job.batch = {};
    job.on_done(std::move(result));
    job = {};
    lock.lock();
  }
}

Result<TensorResult> TorchModel::run(const TensorBatch& batch) const {
  const TimePoint began = Clock::now();
  auto outputs = program_->run(description_.inputs, batch.inputs);
  if (!outputs) return std::unexpected(error_of(outputs.error()));
  // The copy of the inputs is part of it: microseconds beside the rest.
  TensorResult result{.infer_ns = ns_between(began, Clock::now())};
  bool as_described = outputs->values.size() == description_.outputs.size();
  for (std::size_t i = 0; as_described && i < outputs->values.size(); ++i) {
    const TorchOutput& output = outputs->values[i];
    as_described = fits(description_.outputs[i], output);
    result.outputs.push_back({.shape = output.shape, .data = output.data});
  }
  if (!as_described) {
    return fail(ErrorKind::internal, "the model's outputs are not what it is described to answer");
  }
  result.owner = std::move(outputs->owner);
  return result;
}

Error TorchModel::error_of(const Error& reason) const {
  log_debug("model {}: inference failed: {}", description_.name, reason.message);
  if (reason.kind != ErrorKind::invalid_argument) {
    return {.kind = reason.kind, .message = reason.message + " for the inference"};
  }
  return leaves_sizes_open(description_)
             ? Error{.kind = ErrorKind::invalid_argument,
                     .message = "the model cannot be computed for inputs of these shapes or values"}
             : Error{.kind = ErrorKind::internal, .message = "the model failed on these inputs"};
}

}  // namespace millrace::backends
