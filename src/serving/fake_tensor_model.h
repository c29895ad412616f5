// For tests: a model with input x and output y = 2 x, both FP32 [rows, 2]; answers at once, or when
// the test says so.
#pragma once

#include <condition_variable>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "servable/servable.h"

namespace millrace::serving {

inline ModelDescription fake_tensor_description(int max_batch_size) {
  ModelDescription d;
  d.name = "double";
  d.backend = "fake";
  d.family = "double";
  d.inputs = {{.name = "x", .dtype = DType::f32, .shape = Shape{-1, 2}}};
  d.outputs = {{.name = "y", .dtype = DType::f32, .shape = Shape{-1, 2}}};
  d.max_batch_size = max_batch_size;
  return d;
}

class FakeTensorModel final : public TensorModel {
 public:
  bool automatic = true;
  int concurrency = 1;
  int company = 0;
  std::optional<float> poison{};  // a batch with this value in it fails

  struct Run {
    std::int64_t rows = 0;
    std::size_t num_parts = 0;
    std::vector<float> values{};
    std::stop_token stop{};
    bool in_company = false;
  };

  void infer(TensorBatch batch, TensorDone on_done) override {
    std::unique_lock lock(mutex_);
    const InputTensor& x = batch.inputs.at(0);
    Run run{.rows = x.shape[0],
            .num_parts = x.parts.size(),
            .stop = batch.stop,
            .in_company = batch.in_company};
    for (const auto part : x.parts) {
      const std::size_t at = run.values.size();
      run.values.resize(at + part.size() / sizeof(float));
      std::memcpy(run.values.data() + at, part.data(), part.size());
    }
    runs_.push_back(run);
    pending_.emplace_back(std::move(run), std::move(on_done));
    started_.notify_all();
    lock.unlock();
    if (automatic) finish_one();
  }
  int max_concurrency() const override { return concurrency; }
  int max_in_company() const override { return company; }

  // Ends the oldest execution that runs; waits for one.
  void finish_one() {
    std::unique_lock lock(mutex_);
    started_.wait(lock, [&] { return !pending_.empty(); });
    auto [run, on_done] = std::move(pending_.front());
    pending_.pop_front();
    lock.unlock();
    on_done(result_of(run));
  }
  bool wait_for_runs(std::size_t count) {
    std::unique_lock lock(mutex_);
    return started_.wait_for(lock, std::chrono::seconds(10), [&] { return runs_.size() >= count; });
  }
  std::vector<Run> runs() const {
    std::lock_guard lock(mutex_);
    return runs_;
  }

 private:
  Result<TensorResult> result_of(const Run& run) const {
    auto doubled = std::make_shared<std::vector<float>>();
    for (const float value : run.values) {
      if (poison && value == *poison) return fail(ErrorKind::internal, "poisoned");
      doubled->push_back(2 * value);
    }
    TensorResult result{.input_ns = 1, .infer_ns = 2, .output_ns = 3};
    result.outputs.push_back(
        {.shape = Shape{run.rows, 2}, .data = std::as_bytes(std::span(*doubled))});
    result.owner = std::move(doubled);
    return result;
  }

  mutable std::mutex mutex_;
  std::condition_variable started_;
  std::deque<std::pair<Run, TensorDone>> pending_;
  std::vector<Run> runs_;
};

}  // namespace millrace::serving
