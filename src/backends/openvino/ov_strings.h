// Strings in graphs as numbers that stand for them. OpenVINO's CPU device copies tensors of strings
// as if they were numbers and then frees the same memory twice: it can neither hold constants of
// strings nor give strings back. Most graphs only move and compare them (the labels of classes, ids
// that are handed through), and that is the same with numbers: each string of the file has one, and
// so has each further one that a request brings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <openvino/openvino.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "servable/description.h"

namespace millrace::backends {

// The strings of one graph. Immutable once made.
class StringCodes {
 public:
  // Changes the graph: its constants, inputs and outputs of strings become i32. Null where it has
  // none, and where its strings are only inputs, of operators that do more than move and compare:
  // those stay strings. invalid_argument, with an output's name, where a graph makes new strings.
  static Result<std::shared_ptr<const StringCodes>> encode(ov::Model& graph);

  bool is_input(std::size_t index) const { return inputs_[index]; }
  bool is_output(std::size_t index) const { return outputs_[index]; }
  // What clients see: strings.
  void describe(ModelDescription& description) const;

 private:
  friend class CodedStrings;
  std::int32_t add(const std::string& text);

  std::vector<bool> inputs_, outputs_;  // by index, those that were of strings
  std::deque<std::string> texts_;       // by code
  std::unordered_map<std::string_view, std::int32_t> code_of_;
};

// What the client asked for became too large. Thrown within the backend.
struct StringsTooLarge : std::length_error {
  using std::length_error::length_error;
};

// The strings of one execution: the graph's and its inputs'.
class CodedStrings {
 public:
  explicit CodedStrings(const StringCodes& codes) : codes_(codes) {}

  // One code for each element; `from` is kept as views. False where it is malformed, has another
  // number of elements, or more different ones than numbers can be told apart.
  bool encode(const InputTensor& from, std::span<std::int32_t> to);
  // As servable/tensor_model.h has strings. Throws StringsTooLarge: few codes may be long strings.
  std::vector<std::byte> decode(std::span<const std::int32_t> from) const;
  void clear();

 private:
  std::int32_t code_of(std::string_view text);
  std::string_view text_of(std::int32_t code) const;

  const StringCodes& codes_;
  std::vector<std::string_view> further_;  // by code, after the graph's own
  std::unordered_map<std::string_view, std::int32_t> code_of_;
};

}  // namespace millrace::backends
