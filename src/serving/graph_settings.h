// What an operator says of a graph model beside its graph: how requests wait and merge, what its
// tensors must be, which state it keeps. From model.toml and Triton's config.pbtxt; plain values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tensor/dtype.h"

namespace millrace::serving {

// Of one priority level, or of all. A request may name a shorter time.
struct QueueSettings {
  int max_size = 0;                              // requests that wait; 0: 256
  std::chrono::microseconds default_timeout{0};  // of waiting, where a request names none; 0: none
  // A request whose time is over waits on behind all others, instead of being refused.
  bool late_is_delayed = false;
};

struct BatchSettings {
  std::vector<int> preferred_sizes{};                    // ascending; rows
  std::optional<std::chrono::microseconds> max_delay{};  // for company; none: learnt
  QueueSettings queue{};
  std::vector<std::pair<int, QueueSettings>> queue_of{};  // of single priority levels
  int priority_levels = 0;                                // 0: any number of a request's choice
  int default_priority = 0;                               // level of requests that name none
};

// An input or output as the operator's file has it: compared with the graph's own at load.
struct TensorDeclaration {
  std::string name{};
  std::optional<DType> dtype{};
  std::vector<std::int64_t> dims{};  // without the batch, where the model has one; -1: any size
  bool has_dims = false;
  std::optional<std::vector<std::int64_t>> reshape{};  // what the graph has in place of `dims`
  std::vector<std::string> labels{};                   // of outputs: the name of each index
  std::string where{};                                 // "config.pbtxt:12", for errors
};

// A tensor that the server keeps between the requests of one sequence: what the graph gave as
// `output` is its `input` of the next request.
struct StateTensor {
  std::string input{}, output{};
  std::optional<DType> dtype{};      // none: the input's
  std::vector<std::int64_t> dims{};  // of the first value, without the batch; empty: the input's
  std::vector<std::byte> initial{};  // the first value; empty: zeros
};

enum class SequenceControl : std::uint8_t { start, ready, end, id };

// An input that the server fills: whether the request begins, continues or ends its sequence.
struct ControlInput {
  SequenceControl control = SequenceControl::start;
  std::string input{};
  double off = 0, on = 1;  // not for SequenceControl::id
};

struct SequenceSettings {
  bool enabled = false;
  std::chrono::microseconds max_idle = std::chrono::seconds(60);
  int max_sequences = 4096;  // alive at once
  std::vector<StateTensor> states{};
  std::vector<ControlInput> controls{};
};

// A request that is made up and run before the model serves.
struct WarmupInput {
  enum class Fill : std::uint8_t { zero, random, file };
  std::string name{};
  std::optional<DType> dtype{};
  std::vector<std::int64_t> dims{};  // without the batch; empty: the graph's, open sizes 1
  Fill fill = Fill::zero;
  std::vector<std::byte> data{};  // of Fill::file
};
struct WarmupSample {
  std::string name{};
  int rows = 1;
  int count = 1;
  std::vector<WarmupInput> inputs{};  // those not named are zeros
};

struct GraphSettings {
  BatchSettings batch{};
  SequenceSettings sequence{};
  std::vector<TensorDeclaration> inputs{}, outputs{};
  std::vector<WarmupSample> warmup{};
};

}  // namespace millrace::serving
