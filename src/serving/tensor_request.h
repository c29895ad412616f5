// A request to a graph model as the dialects hand it over: named tensors and how long they may
// take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "serving/model_store.h"
#include "serving/sequence_step.h"

namespace millrace::serving {

// Lower is sooner. Requests that name none stand between.
inline constexpr int kDefaultPriority = 100;

struct NamedTensor {
  std::string name{};
  DType dtype = DType::f32;
  std::vector<std::int64_t> dims{};  // as the client says; not checked yet
  std::span<const std::byte> data{};
};

struct TensorRequest {
  ModelHandle model{};
  std::string tenant{};
  std::vector<NamedTensor> inputs{};
  std::shared_ptr<const void> owner{};  // keeps the inputs' bytes
  int priority = kDefaultPriority;
  TimePoint arrival = Clock::now();
  TimePoint deadline = kNever;
  std::stop_token stop{};  // requested: the client is gone
  // Of a model that keeps state (Model::sequences): must be there. Of another: must not.
  std::optional<SequenceStep> sequence{};
  TraceHandle trace{};
  // An answer of at most so many bytes, of an execution that answers no other, is handed over on
  // the thread that made it: where copying and sending it is sooner done than a worker is woken.
  std::size_t light_answer_bytes = 0;
};

}  // namespace millrace::serving
