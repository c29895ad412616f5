// Step: one built-in operation of a pipeline, between its models. A kind of step (`do = "softmax"`)
// is a StepKind; its make() is called once a use, when a pipeline is loaded, and says there what is
// wrong with it; the Step it returns is run once a request.
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
#include "base/result.h"
#include "serving/pipeline/step_options.h"
#include "tensor/tensor.h"

namespace millrace::serving {

// What is known of a value before there is one.
struct ValueType {
  DType dtype = DType::f32;
  Shape shape{};         // -1: any size
  bool any_rank = true;  // nothing is known about the shape; `shape` is empty
};

// A tensor on its way from one step to the next: row-major, contiguous, little-endian.
struct Value {
  DType dtype = DType::f32;
  Shape shape{};
  // DType::bytes: each element is a 32-bit length and that many bytes. A view that starts anywhere:
  // it need not be aligned to its elements (element() below reads one wherever it lies).
  std::span<const std::byte> data{};
  std::shared_ptr<const void> owner{};  // keeps `data`; outputs may share an input's
};

// What a step may use while it runs.
struct StepContext {
  std::stop_token stop{};       // requested: the answer is not wanted any more; look now and then
  TimePoint deadline = kNever;  // of the whole request
  std::int64_t max_bytes = 0;   // what all outputs together may take; more is too_large
};

struct StepOutput {
  std::string name{};
  ValueType type{};
};

class Step {
 public:
  virtual ~Step() = default;
  // Fixed; known when the step is made.
  virtual const std::vector<StepOutput>& outputs() const = 0;
  // Computes, on a worker. Inputs are in the order of StepPlan::inputs (an optional input that is
  // not connected is an empty Value of no bytes); their types are those that make() was told, their
  // sizes are the request's own: check them before use. Outputs are in the order of outputs().
  // Thread-safe: many requests at once. Axis 0 is the row axis, and may have 0 rows.
  // Errors: invalid_argument where the values are what the step cannot compute, too_large,
  // cancelled. The pipeline puts the step's name before the message.
  virtual Result<std::vector<Value>> run(std::span<const Value> inputs,
                                         const StepContext& context) const = 0;
};

// What a step is made from.
struct StepInput {
  std::string name{};
  std::optional<ValueType> type{};  // empty: optional, and not connected
};
struct StepPlan {
  std::vector<StepInput> inputs{};  // StepKind::inputs in order; of `any_inputs`, as in the file
  StepOptions& options;
};

struct StepPort {
  const char* name;
  bool optional = false;
};

struct StepKind {
  const char* name;  // do = "…"
  // Named inputs. A step whose only required input is the first may be written `inputs = "a.b"`.
  std::vector<StepPort> inputs{};
  bool any_inputs = false;  // takes any number (at least one), named by the file; `inputs` is empty
  // Reads its options, ends with options.finish(), checks types as far as they are known.
  Result<std::unique_ptr<Step>> (*make)(StepPlan& plan) = nullptr;
};

// Every kind there is: the lists of tensor_steps.h, text_steps.h, … one after the other (steps.cc).
std::span<const StepKind> step_kinds();
const StepKind* find_step_kind(std::string_view name);  // null where there is none

// --- for those who write steps ---

// Memory of `shape` (no negative size; not DType::bytes) for the step to fill; too_large where it
// is more than max_bytes. 64-byte aligned, zero.
struct NewValue {
  Value value{};
  std::byte* bytes = nullptr;
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(bytes);
  }
};
Result<NewValue> new_value(DType dtype, const Shape& shape, std::int64_t max_bytes);
// A Value that owns these bytes.
Value value_of(DType dtype, const Shape& shape, std::string bytes);

// The i-th element wherever it lies.
template <class T>
T element(const Value& value, std::int64_t i) {
  T out;
  __builtin_memcpy(&out, value.data.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
  return out;
}
// Element i of a BYTES value of n elements: views in order.
std::vector<std::span<const std::byte>> strings_of(const Value& value);
// Appends an element to the bytes of a BYTES value.
void append_string(std::string& bytes, std::string_view element);

// "f32 [2,-1]", for people.
std::string to_string(const ValueType& type);

}  // namespace millrace::serving
