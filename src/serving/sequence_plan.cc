#include "serving/sequence_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "serving/tensor_checks.h"

namespace millrace::serving {
namespace {

constexpr std::int64_t kMaxStateBytes = std::int64_t{64} << 20;

std::int64_t num_bytes(const Shape& shape, DType dtype) {
  std::int64_t bytes = static_cast<std::int64_t>(dtype_block_bytes(dtype));
  for (const std::int64_t dim : shape.dims()) {
    if (__builtin_mul_overflow(bytes, dim, &bytes)) return kMaxStateBytes + 1;
  }
  return bytes;
}

// A value as `count` elements of a type that a control input may have.
template <class T>
std::vector<std::byte> repeated(double value, std::int64_t count) {
  const std::vector<T> values(static_cast<std::size_t>(count), static_cast<T>(value));
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

Result<std::vector<std::byte>> control_value(const TensorSpec& spec, double value,
                                             std::int64_t count) {
  switch (spec.dtype) {
    case DType::f32:
      return repeated<float>(value, count);
    case DType::i32:
      return repeated<std::int32_t>(value, count);
    case DType::i64:
      return repeated<std::int64_t>(value, count);
    case DType::boolean:
      return repeated<std::uint8_t>(value != 0 ? 1 : 0, count);
    default:
      return invalid(fmt::format("input '{}' is {}: a sequence's control is FP32, INT32, INT64 or "
                                 "BOOL",
                                 spec.name, dtype_name(spec.dtype)),
                     spec.name);
  }
}

class Planner {
 public:
  Planner(const SequenceSettings& settings, const ModelDescription& graph)
      : settings_(settings), graph_(graph) {}

  Result<SequencePlan> plan() {
    plan_.num_inputs = graph_.inputs.size();
    plan_.batched = graph_.max_batch_size > 0;
    taken_inputs_.resize(graph_.inputs.size());
    taken_outputs_.resize(graph_.outputs.size());
    for (const StatePair& state : graph_.states) {
      if (Status done =
              add({.input = state.input, .output = state.output, .initial = state.initial});
          !done) {
        return pass(done);
      }
    }
    for (const StateTensor& state : settings_.states) {
      if (Status done = add(state); !done) return pass(done);
    }
    for (const ControlInput& control : settings_.controls) {
      if (Status done = add(control); !done) return pass(done);
    }
    for (std::size_t i = 0; i < taken_inputs_.size(); ++i) {
      if (!taken_inputs_[i]) plan_.client_inputs.push_back(i);
    }
    for (std::size_t i = 0; i < taken_outputs_.size(); ++i) {
      if (!taken_outputs_[i]) plan_.client_outputs.push_back(i);
    }
    if (plan_.client_inputs.empty()) {
      return invalid("a sequence's requests would have no input of their own");
    }
    return std::move(plan_);
  }

 private:
  // The index of a tensor that nothing else takes.
  static Result<std::size_t> take(const std::vector<TensorSpec>& tensors, const std::string& name,
                                  const char* role, std::vector<bool>& taken) {
    const auto found = std::ranges::find(tensors, name, &TensorSpec::name);
    if (found == tensors.end()) {
      return invalid(fmt::format("the model has no {} '{}', which its sequences should use", role,
                                 name.substr(0, 64)),
                     name);
    }
    const auto index = static_cast<std::size_t>(found - tensors.begin());
    if (taken[index]) {
      return invalid(fmt::format("{} '{}' is used twice by sequences", role, name), name);
    }
    taken[index] = true;
    return index;
  }

  // Sizes that are open are 1, as with Triton.
  Shape first_shape(const TensorSpec& spec, const std::vector<std::int64_t>& dims) const {
    std::vector<std::int64_t> all = dims;
    if (all.empty()) {
      all.assign(spec.shape.dims().begin(), spec.shape.dims().end());
      if (plan_.batched && !all.empty()) all.erase(all.begin());
    }
    if (plan_.batched) all.insert(all.begin(), 1);
    for (std::int64_t& dim : all) dim = dim < 0 ? 1 : dim;
    all.resize(std::min(all.size(), static_cast<std::size_t>(kMaxRank)));
    return Shape(all);
  }

  Status add(const StateTensor& state) {
    const auto input = take(graph_.inputs, state.input, "input", taken_inputs_);
    if (!input) return std::unexpected(input.error());
    const auto output = take(graph_.outputs, state.output, "output", taken_outputs_);
    if (!output) return std::unexpected(output.error());
    const TensorSpec& to = graph_.inputs[*input];
    const DType from = graph_.outputs[*output].dtype;
    if (from != to.dtype || state.dtype.value_or(to.dtype) != to.dtype ||
        to.dtype == DType::bytes) {
      return invalid(fmt::format("state '{}' is {}, '{}' is {}: both must be of one type, and not "
                                 "of strings",
                                 state.input, dtype_name(to.dtype), state.output, dtype_name(from)),
                     state.input);
    }
    SequencePlan::State made{.input = *input,
                             .output = *output,
                             .dtype = to.dtype,
                             .shape = first_shape(to, state.dims),
                             .initial = state.initial};
    const auto want = to.shape.dims();
    const bool fits = to.any_rank || std::ranges::equal(want, made.shape.dims(),
                                                        [](std::int64_t a, std::int64_t b) {
                                                          return a < 0 || a == b;
                                                        });
    if (!fits) {
      return invalid(fmt::format("state '{}' begins with shape {}, but the model's is {}",
                                 state.input, to_string(made.shape.dims()), to_string(want)),
                     state.input);
    }
    const std::int64_t bytes = num_bytes(made.shape, to.dtype);
    if (bytes > kMaxStateBytes) {
      return invalid(fmt::format("state '{}' is too large", state.input), state.input);
    }
    if (made.initial.empty()) made.initial.resize(static_cast<std::size_t>(bytes));
    if (static_cast<std::int64_t>(made.initial.size()) != bytes) {
      return invalid(
          fmt::format("state '{}' begins with {} bytes, but its shape {} needs {}", state.input,
                      made.initial.size(), to_string(made.shape.dims()), bytes),
          state.input);
    }
    plan_.states.push_back(std::move(made));
    return {};
  }

  Status add(const ControlInput& control) {
    const auto input = take(graph_.inputs, control.input, "input", taken_inputs_);
    if (!input) return std::unexpected(input.error());
    const TensorSpec& spec = graph_.inputs[*input];
    SequencePlan::Control made{.input = *input,
                               .control = control.control,
                               .dtype = spec.dtype,
                               .shape = first_shape(spec, {})};
    const std::int64_t count = made.shape.num_elements();
    if (control.control == SequenceControl::id) {
      const auto is = [&](DType dtype) { return spec.dtype == dtype; };
      const bool right =
          is(DType::u64) || is(DType::i64) || is(DType::u32) || is(DType::i32) || is(DType::bytes);
      if (!right || count != 1) {
        return invalid(fmt::format("input '{}' takes a sequence's id: it must be one element of "
                                   "UINT64, INT64, UINT32, INT32 or BYTES",
                                   spec.name),
                       spec.name);
      }
    } else if (count > 1024) {
      return invalid(fmt::format("input '{}' is too large for a control", spec.name), spec.name);
    } else {
      auto off = control_value(spec, control.off, count);
      if (!off) return pass(off);
      auto on = control_value(spec, control.on, count);
      if (!on) return pass(on);
      made.off = *std::move(off);
      made.on = *std::move(on);
    }
    plan_.controls.push_back(std::move(made));
    return {};
  }

  const SequenceSettings& settings_;
  const ModelDescription& graph_;
  SequencePlan plan_{};
  std::vector<bool> taken_inputs_, taken_outputs_;
};

}  // namespace

Result<std::optional<SequencePlan>> plan_sequences(const SequenceSettings& settings,
                                                   const ModelDescription& graph) {
  if (!settings.enabled && graph.states.empty()) return std::nullopt;
  if (graph.inputs.empty()) return invalid("only graph models have sequences");
  auto plan = Planner(settings, graph).plan();
  if (!plan) return pass(plan);
  return *std::move(plan);
}

ModelDescription client_description(const SequencePlan& plan, const ModelDescription& graph) {
  ModelDescription shown = graph;
  shown.inputs.clear();
  shown.outputs.clear();
  for (const std::size_t i : plan.client_inputs) shown.inputs.push_back(graph.inputs[i]);
  for (const std::size_t i : plan.client_outputs) shown.outputs.push_back(graph.outputs[i]);
  return shown;
}

}  // namespace millrace::serving
