// The contract of servable/tensor_model.h as one set of tests for every tensor backend, which
// instantiates it beside its own tests (their bodies: tensor_contract_test.cc). The model of a case
// computes y = 2 x for FP32 rows of 2; `make` loads a fresh one.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <future>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "servable/servable.h"

namespace millrace::backends {

struct TensorContractCase {
  std::string name;
  std::function<std::unique_ptr<Servable>(Metrics&)> make;
};
inline std::ostream& operator<<(std::ostream& out, const TensorContractCase& c) {
  return out << c.name;
}

class TensorContract : public testing::TestWithParam<TensorContractCase> {
 protected:
  struct Answer {
    Result<std::vector<float>> values;
    Shape shape{};
  };

  void SetUp() override {
    model_ = GetParam().make(metrics_);
    ASSERT_NE(model_, nullptr);
    ASSERT_NE(model_->tensor_model(), nullptr);
  }
  TensorModel& tensors() { return *model_->tensor_model(); }

  static TensorBatch batch_of(std::vector<std::vector<float>> parts, std::stop_token stop = {}) {
    auto owned = std::make_shared<const std::vector<std::vector<float>>>(std::move(parts));
    TensorBatch batch{.owner = owned, .stop = std::move(stop)};
    InputTensor x;
    std::int64_t values = 0;
    for (const auto& part : *owned) {
      x.parts.push_back(std::as_bytes(std::span(part)));
      values += static_cast<std::int64_t>(part.size());
    }
    x.shape = Shape{values / 2, 2};
    batch.inputs.push_back(std::move(x));
    return batch;
  }
  std::future<Answer> infer(TensorBatch batch) {
    auto promise = std::make_shared<std::promise<Answer>>();
    auto future = promise->get_future();
    tensors().infer(std::move(batch), [promise](Result<TensorResult> result) {
      if (!result) return promise->set_value({std::unexpected(result.error())});
      const OutputTensor& y = result->outputs.at(0);
      std::vector<float> values(y.data.size() / sizeof(float));
      std::memcpy(values.data(), y.data.data(), y.data.size());
      promise->set_value({std::move(values), y.shape});
    });
    return future;
  }
  static Answer get(std::future<Answer> future) {
    if (future.wait_for(std::chrono::seconds(60)) != std::future_status::ready) {
      ADD_FAILURE() << "no answer";
      return {fail(ErrorKind::internal, "no answer")};
    }
    return future.get();
  }

  Metrics metrics_;
  std::unique_ptr<Servable> model_;
};

}  // namespace millrace::backends
