// For tests: a step made from the keys it would have in a file, and values by hand.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "serving/fake_model.h"
#include "serving/pipeline/step.h"
#include "serving/pipeline/values.h"

namespace millrace::serving {

template <class T>
Value value(DType dtype, const Shape& shape, const std::vector<T>& elements) {
  // A byte in front: nothing may count on alignment.
  auto bytes = std::make_shared<std::string>("x");
  bytes->append(reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(T));
  return {.dtype = dtype,
          .shape = shape,
          .data = std::as_bytes(std::span(*bytes)).subspan(1),
          .owner = bytes};
}
inline Value floats(const Shape& shape, const std::vector<float>& elements) {
  return value(DType::f32, shape, elements);
}
inline Value integers(const Shape& shape, const std::vector<std::int64_t>& elements) {
  return value(DType::i64, shape, elements);
}
inline Value texts(const std::vector<std::string>& elements) {
  std::string bytes;
  for (const std::string& text : elements) append_string(bytes, text);
  return value_of(DType::bytes, Shape{static_cast<std::int64_t>(elements.size())}, bytes);
}

template <class T>
std::vector<T> elements_of(const Value& v) {
  std::vector<T> out;
  for (std::int64_t i = 0; i < v.shape.num_elements(); ++i) out.push_back(element<T>(v, i));
  return out;
}
inline std::vector<float> f32s(const Value& v) {
  MILLRACE_CHECK(v.dtype == DType::f32);
  return elements_of<float>(v);
}
inline std::vector<std::int64_t> i64s(const Value& v) {
  MILLRACE_CHECK(v.dtype == DType::i64);
  return elements_of<std::int64_t>(v);
}
inline std::vector<std::string> strings(const Value& v) {
  std::vector<std::string> out;
  for (const auto text : strings_of(v)) {
    out.emplace_back(reinterpret_cast<const char*>(text.data()), text.size());
  }
  return out;
}

inline ValueType type_of(const Value& v) {
  return {.dtype = v.dtype, .shape = v.shape, .any_rank = false};
}

class StepRig {
 public:
  TemporaryFolder folder{};
  std::int64_t max_bytes = 1 << 20;

  void file(const std::string& name, std::string_view contents) const {
    std::ofstream(folder.path() / name, std::ios::binary) << contents;
  }

  // `keys`: TOML. An input of no type is not connected.
  Result<std::unique_ptr<Step>> make(const char* kind, std::string_view keys,
                                     std::vector<StepInput> inputs) const {
    const StepKind* found = find_step_kind(kind);
    MILLRACE_CHECK(found != nullptr);
    const auto table = parse_toml_tree(keys, "p.toml");
    MILLRACE_CHECK(table.has_value());
    StepOptions options(*table, "p.toml:1: step 's'", folder.path());
    StepPlan plan{.inputs = std::move(inputs), .options = options};
    return found->make(plan);
  }

  // Made for these very values, and run on them.
  Result<std::vector<Value>> run(const char* kind, std::string_view keys,
                                 const std::vector<Value>& values,
                                 const std::vector<std::string>& names = {}) const {
    std::vector<StepInput> inputs;
    for (std::size_t i = 0; i < values.size(); ++i) {
      inputs.push_back(
          {.name = i < names.size() ? names[i] : std::to_string(i), .type = type_of(values[i])});
    }
    const std::size_t ports = find_step_kind(kind)->inputs.size();
    while (inputs.size() < ports) inputs.push_back({.name = "none", .type = {}});
    auto step = make(kind, keys, inputs);
    if (!step) return pass(step);
    std::vector<Value> given = values;
    given.resize(std::max(ports, given.size()));
    auto outputs = (*step)->run(given, {.max_bytes = max_bytes});
    if (!outputs) return outputs;
    // What was promised is kept.
    EXPECT_EQ(outputs->size(), (*step)->outputs().size());
    for (std::size_t i = 0; i < outputs->size(); ++i) {
      EXPECT_TRUE(fits(outputs->at(i), (*step)->outputs().at(i).type))
          << kind << ": " << to_string((*step)->outputs()[i].type) << " was promised, "
          << to_string(type_of(outputs->at(i))) << " came";
    }
    return outputs;
  }
  std::string error(const char* kind, std::string_view keys,
                    const std::vector<Value>& values) const {
    const auto result = run(kind, keys, values);
    return result ? "" : result.error().message;
  }
};

}  // namespace millrace::serving
