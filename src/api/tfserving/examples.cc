#include "api/tfserving/examples.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "api/errors.h"
#include "api/kserve/datatypes.h"
#include "api/kserve/tensor_json.h"
#include "api/tfserving/feature_input.h"
#include "api/tfserving/request_inputs.h"
#include "base/wire_reader.h"

namespace millrace::api {
namespace {

constexpr std::uint32_t kFeatures = 1;                       // of Example
constexpr std::uint32_t kFeature = 1, kKey = 1, kValue = 2;  // of Features and its map
constexpr std::uint32_t kBytes = 1, kFloats = 2, kInts = 3;  // of Feature
constexpr std::uint32_t kElement = 1;                        // of the three lists

// One of the three lists of values. kind 0: the example has no such feature.
struct Feature {
  std::uint32_t kind = 0;
  std::string_view list{};
};

const char* kind_name(std::uint32_t kind) {
  return kind == kBytes ? "bytes" : kind == kFloats ? "floats" : "integers";
}

// False where it is malformed. A feature without a list is none.
bool read_feature(std::string_view bytes, Feature& feature) {
  WireReader reader(bytes);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number > kInts) continue;
    if (!field.is_bytes) return false;
    feature = {.kind = field.number, .list = field.bytes};
  }
  return !reader.failed();
}

// The features of one example by their index.
class ExampleReader {
 public:
  ExampleReader(const ModelDescription& model, const std::deque<FeatureInput>& features)
      : ignores_others_(model.examples) {
    for (std::size_t i = 0; i < features.size(); ++i) index_of_[features[i].name()] = i;
  }

  // Adds to what is there; of two features of a name the later counts.
  Status read(std::string_view example, std::vector<Feature>& features) const {
    WireReader reader(example);
    for (WireReader::Field field; reader.next(field);) {
      if (field.number != kFeatures) continue;
      if (Status done = read_features(field, features); !done) return done;
    }
    return reader.failed() ? malformed() : Status();
  }

 private:
  static std::unexpected<Error> malformed() { return invalid("the bytes are no tf.Example"); }

  Status read_features(const WireReader::Field& all, std::vector<Feature>& features) const {
    if (!all.is_bytes) return malformed();
    WireReader reader(all.bytes);
    for (WireReader::Field entry; reader.next(entry);) {
      if (entry.number != kFeature) continue;
      std::string_view key;
      Feature feature;
      WireReader of_entry(entry.bytes);
      for (WireReader::Field part; of_entry.next(part);) {
        if (part.number == kKey) key = part.bytes;
        if (part.number == kValue && !read_feature(part.bytes, feature)) return malformed();
      }
      if (!entry.is_bytes || of_entry.failed()) return malformed();
      const auto found = index_of_.find(key);
      if (found != index_of_.end()) {
        if (feature.kind != 0) features[found->second] = feature;
      } else if (!ignores_others_) {
        return invalid(fmt::format("the model has no input {}", safe_name(key)), std::string(key));
      }
    }
    return reader.failed() ? malformed() : Status();
  }

  std::map<std::string_view, std::size_t> index_of_;
  const bool ignores_others_;  // as the parser in the file does
};

// The values of a list as tensors hold them.
class Values {
 public:
  explicit Values(DType dtype) : dtype_(dtype) {}

  bool fits(std::uint32_t kind) const { return kind == wanted_kind(); }
  // False where the list is malformed, or a value is out of the type's range.
  bool read(const Feature& feature) {
    data_.clear();
    count_ = 0;
    WireReader reader(feature.list);
    for (WireReader::Field field; reader.next(field);) {
      if (field.number == kElement && !add(feature.kind, field)) return false;
    }
    return !reader.failed();
  }
  std::int64_t count() const { return count_; }
  std::span<const std::byte> data() const { return data_; }

 private:
  std::uint32_t wanted_kind() const {
    switch (dtype_) {
      case DType::f32:
      case DType::f64:
        return kFloats;
      case DType::bytes:
        return kBytes;
      case DType::f16:
      case DType::bf16:
        return 0;
      default:
        return kInts;
    }
  }
  bool add(std::uint32_t kind, const WireReader::Field& field) {
    if (kind == kBytes) {
      if (!field.is_bytes) return false;
      append_bytes_element(data_, field.bytes);
      ++count_;
      return true;
    }
    return kind == kFloats ? add_floats(field) : add_ints(field);
  }
  bool add_floats(const WireReader::Field& field) {
    if (!field.is_bytes) return add_float(static_cast<std::uint32_t>(field.value));
    if (field.bytes.size() % sizeof(float) != 0) return false;
    if (dtype_ == DType::f32) {  // as they lie there
      const auto bytes = std::as_bytes(std::span(field.bytes));
      data_.insert(data_.end(), bytes.begin(), bytes.end());
      count_ += static_cast<std::int64_t>(bytes.size() / sizeof(float));
      return true;
    }
    for (std::size_t at = 0; at < field.bytes.size(); at += sizeof(float)) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, field.bytes.data() + at, sizeof bits);
      add_float(bits);
    }
    return true;
  }
  bool add_float(std::uint32_t bits) {
    const auto value = std::bit_cast<float>(bits);
    dtype_ == DType::f32 ? append(value) : append(double{value});
    return true;
  }
  bool add_ints(const WireReader::Field& field) {
    if (!field.is_bytes) return add_int(static_cast<std::int64_t>(field.value));
    std::string_view rest = field.bytes;
    while (!rest.empty()) {
      std::uint64_t value = 0;
      if (!take_varint(rest, value) || !add_int(static_cast<std::int64_t>(value))) return false;
    }
    return true;
  }
  bool add_int(std::int64_t value) {
    switch (dtype_) {
      case DType::i8:
        return narrow<std::int8_t>(value);
      case DType::i16:
        return narrow<std::int16_t>(value);
      case DType::i32:
        return narrow<std::int32_t>(value);
      case DType::u8:
        return narrow<std::uint8_t>(value);
      case DType::u16:
        return narrow<std::uint16_t>(value);
      case DType::u32:
        return narrow<std::uint32_t>(value);
      case DType::u64:
        return narrow<std::uint64_t>(value);
      case DType::boolean:
        return (value == 0 || value == 1) && narrow<std::uint8_t>(value);
      default:
        return narrow<std::int64_t>(value);
    }
  }
  template <class T>
  bool narrow(std::int64_t value) {
    if (!std::in_range<T>(value)) return false;
    append(static_cast<T>(value));
    return true;
  }
  template <class T>
  void append(T value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    data_.insert(data_.end(), bytes.begin(), bytes.end());
    ++count_;
  }

  const DType dtype_;
  std::int64_t count_ = 0;
  std::vector<std::byte> data_;
};

Status add_feature(const Feature& feature, FeatureInput& input) {
  if (feature.kind == 0) return input.add_missing();
  Values values(input.dtype());
  if (!values.fits(feature.kind)) {
    return invalid(fmt::format("input {} has {}, but the model takes {}", safe_name(input.name()),
                               kind_name(feature.kind), datatype_name(input.dtype())),
                   input.name());
  }
  if (!values.read(feature)) {
    return invalid(fmt::format("input {} is malformed, or has a value that is no {}",
                               safe_name(input.name()), datatype_name(input.dtype())),
                   input.name());
  }
  const std::int64_t count[] = {values.count()};
  return input.add(count, values.data());
}

Status add_example(const ExampleReader& reader, std::string_view example,
                   std::vector<Feature> features, std::deque<FeatureInput>& inputs) {
  if (Status read = reader.read(example, features); !read) return read;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (Status added = add_feature(features[i], inputs[i]); !added) return added;
  }
  return {};
}

// `what`: "example 3", "the context".
std::unexpected<Error> about(Status& failed, const std::string& what) {
  failed.error().message = fmt::format("{}: {}", what, failed.error().message);
  if (failed.error().param.empty()) failed.error().param = "examples";
  return pass(failed);
}

}  // namespace

Status read_examples(const SerialisedExamples& from, serving::TensorRequest& request) {
  if (from.examples.empty()) return invalid("there is no example", "examples");
  if (from.examples.size() > kMaxExamples) {
    return fail(ErrorKind::too_large,
                fmt::format("a request has at most {} examples", kMaxExamples), "examples");
  }
  request.inputs.clear();
  RequestInputs inputs(request);
  std::size_t bytes_left = kMaxExampleBytes;
  auto features = feature_inputs(inputs.model(), bytes_left);
  const ExampleReader reader(inputs.model(), features);
  std::vector<Feature> common(features.size());
  if (Status read = reader.read(from.context, common); !read) return about(read, "the context");
  for (std::size_t i = 0; i < from.examples.size(); ++i) {
    Status added = add_example(reader, from.examples[i], common, features);
    if (!added) return about(added, fmt::format("example {}", i));
  }
  for (FeatureInput& feature : features) {
    if (Status added = feature.put(inputs); !added) return added;
  }
  return {};
}

Status expand_examples(serving::TensorRequest& request) {
  const auto& examples = request.model->description().examples;
  if (!examples) return {};
  const std::string& name = examples->input.name;
  const auto given = std::ranges::find(request.inputs, name, &serving::NamedTensor::name);
  if (given == request.inputs.end()) return {};
  if (request.inputs.size() > 1) {
    return invalid(
        fmt::format("input {} is all examples: there can be no other beside it", safe_name(name)),
        name);
  }
  if (given->dtype != DType::bytes || given->dims.size() != 1) {
    return invalid(fmt::format("input {} takes a list of strings, each a serialised tf.Example",
                               safe_name(name)),
                   name);
  }
  const SerialisedExamples serialised{.examples = bytes_elements(given->data)};
  if (static_cast<std::int64_t>(serialised.examples.size()) != given->dims[0]) {
    return invalid(fmt::format("input {} has {} strings, but its shape says {}", safe_name(name),
                               serialised.examples.size(), given->dims[0]),
                   name);
  }
  const auto owner = std::move(request.owner);  // keeps the strings while they are read
  return read_examples(serialised, request);
}

}  // namespace millrace::api
