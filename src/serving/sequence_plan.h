// How a stateful model's tensors are divided between its clients and the server. Plain values.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/result.h"
#include "servable/description.h"
#include "serving/graph_settings.h"

namespace millrace::serving {

struct SequencePlan {
  struct State {
    std::size_t input = 0, output = 0;  // indices of the graph's
    DType dtype = DType::f32;
    Shape shape{};                     // of the first value, with the batch of 1 where there is one
    std::vector<std::byte> initial{};  // whole
  };
  struct Control {
    std::size_t input = 0;
    SequenceControl control = SequenceControl::start;
    DType dtype = DType::f32;
    Shape shape{};
    std::vector<std::byte> off{}, on{};  // not of SequenceControl::id
  };
  std::vector<State> states{};
  std::vector<Control> controls{};
  std::vector<std::size_t> client_inputs{};   // the graph's index of each input that clients send
  std::vector<std::size_t> client_outputs{};  // and of each output that they get
  std::size_t num_inputs = 0;
  bool batched = false;  // axis 0 is a batch: each request is one row
};

// Empty where neither the settings nor the graph speak of sequences. Errors say which tensor of the
// settings does not fit the graph.
Result<std::optional<SequencePlan>> plan_sequences(const SequenceSettings& settings,
                                                   const ModelDescription& graph);
// The description without what the plan keeps from clients.
ModelDescription client_description(const SequencePlan& plan, const ModelDescription& graph);

}  // namespace millrace::serving
