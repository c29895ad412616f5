#include "api/grpc/tf_example_message.h"

#include <cstring>

#include "api/grpc/wire_size.h"
#include "api/kserve/tensor_json.h"
#include "base/wire_reader.h"

namespace millrace::api {
namespace {

constexpr std::uint32_t kHead = 1, kInput = 2;        // of the three requests
constexpr std::uint32_t kList = 1, kWithContext = 2;  // of Input
constexpr std::uint32_t kExamples = 1, kContext = 2;  // of both lists
constexpr std::size_t kMostHeadBytes = std::size_t{64} << 10;

Status read_list(std::string_view bytes, SerialisedExamples& input) {
  WireReader reader(bytes);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number > kContext) continue;
    if (!field.is_bytes) return malformed_message();
    if (field.number == kContext) input.context = field.bytes;
    if (field.number != kExamples) continue;
    if (input.examples.size() == kMaxExamples) {
      return fail(ErrorKind::too_large, "the request has too many examples", "input");
    }
    input.examples.push_back(field.bytes);
  }
  return reader.failed() ? malformed_message() : Status();
}

Status read_input(std::string_view bytes, SerialisedExamples& input) {
  WireReader reader(bytes);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number != kList && field.number != kWithContext) continue;
    if (!field.is_bytes) return malformed_message();
    if (Status done = read_list(field.bytes, input); !done) return done;
  }
  return reader.failed() ? malformed_message() : Status();
}

// The i-th number of a tensor of floats.
float number_at(const ResultValues& values, std::size_t i) {
  if (values.dtype == DType::f64) {
    double value = 0;
    std::memcpy(&value, values.data.data() + i * sizeof value, sizeof value);
    return static_cast<float>(value);
  }
  float value = 0;
  std::memcpy(&value, values.data.data() + i * sizeof value, sizeof value);
  return value;
}

}  // namespace

Result<ExampleRequest> read_example_request(std::string_view bytes) {
  ExampleRequest request;
  std::size_t head_bytes = 0;
  WireReader reader(bytes);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number != kHead && field.number != kInput) continue;
    if (!field.is_bytes) return malformed_message();
    if (field.number == kInput) {
      if (Status done = read_input(field.bytes, request.input); !done) return pass(done);
      continue;
    }
    head_bytes += field.whole.size();
    if (head_bytes > kMostHeadBytes) {
      return fail(ErrorKind::too_large, "the request's model_spec or tasks are too large");
    }
    request.heads.push_back(field.bytes);
  }
  if (reader.failed()) return malformed_message();
  if (request.input.examples.empty()) return invalid("'input' is empty", "input");
  return request;
}

void write_classes(const ScoredClasses& classes, tensorflow::serving::ClassificationResult& out) {
  std::vector<std::string_view> labels;
  if (classes.labels) labels = bytes_elements(classes.labels->data);
  std::size_t i = 0;
  for (std::int64_t row = 0; row < classes.num_rows; ++row) {
    auto& result = *out.add_classifications();
    for (std::int64_t j = 0; j < classes.num_classes; ++j, ++i) {
      auto& one = *result.add_classes();
      if (i < labels.size()) one.set_label(std::string(labels[i]));
      one.set_score(number_at(classes.scores, i));
    }
  }
}

void write_regressions(const Regressions& numbers, tensorflow::serving::RegressionResult& out) {
  for (std::int64_t row = 0; row < numbers.num_rows; ++row) {
    out.add_regressions()->set_value(number_at(numbers.values, static_cast<std::size_t>(row)));
  }
}

}  // namespace millrace::api
