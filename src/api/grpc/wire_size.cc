#include "api/grpc/wire_size.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <limits>

namespace millrace::api {
namespace {

using google::protobuf::io::CodedInputStream;

constexpr std::size_t kStringBytes = 40;    // of an empty one in a repeated field
constexpr std::size_t kMessageBytes = 256;  // of an empty tensor
constexpr std::size_t kHeadFieldBytes = 64;

// InferTensorContents
constexpr WireField kContents[] = {{1, 1}, {2, 4}, {3, 8}, {4, 4}, {5, 8}, {6}, {7}, {8}};
constexpr WireShape kContentsShape{kContents};
// InferInputTensor
constexpr WireField kInput[] = {{5, 0, &kContentsShape}};
constexpr WireShape kInputShape{kInput};
// ModelInferRequest: inputs, raw_input_contents
constexpr WireField kInfer[] = {{5, 0, &kInputShape}, {7}};

// TensorProto
constexpr WireField kTensor[] = {{4},     {5},     {6},     {7, 4},  {8},
                                 {10, 8}, {11, 1}, {13, 4}, {16, 4}, {17, 8}};
constexpr WireShape kTensorShape{kTensor};
// An entry of PredictRequest.inputs
constexpr WireField kEntry[] = {{2, 0, &kTensorShape}};
constexpr WireShape kEntryShape{kEntry};
constexpr WireField kPredict[] = {{2, 0, &kEntryShape}};

enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kDelimited = 2, kFixed32 = 5 };

class Walk {
 public:
  explicit Walk(CodedInputStream& in) : in_(in) {}

  bool over(const WireShape& shape) {
    for (;;) {
      const std::uint32_t tag = in_.ReadTag();
      if (tag == 0) return in_.ConsumedEntireMessage();
      const auto field = std::ranges::find(shape.fields, tag >> 3, &WireField::number);
      if (!one(tag & 7, field == shape.fields.end() ? nullptr : &*field)) return false;
      if (too_large()) return true;
    }
  }
  bool too_large() const { return head_ > kMaxHeadBytes || parsed_ > kMaxParsedBytes; }

 private:
  bool one(std::uint32_t type, const WireField* field) {
    std::uint64_t ignored = 0;
    switch (type) {
      case kVarint:
        count(field, 1);
        return in_.ReadVarint64(&ignored);
      case kFixed64:
        count(field, 1);
        return in_.Skip(8);
      case kFixed32:
        count(field, 1);
        return in_.Skip(4);
      case kDelimited:
        return delimited(field);
      default:  // groups: none of our messages has any
        return false;
    }
  }

  void count(const WireField* field, std::size_t elements) {
    (field ? parsed_ : head_) += field ? elements * field->element_bytes : kHeadFieldBytes;
  }

  bool delimited(const WireField* field) {
    std::uint32_t length = 0;
    if (!in_.ReadVarint32(&length)) return false;
    if (length > static_cast<std::uint32_t>(std::numeric_limits<int>::max())) return false;
    const int size = static_cast<int>(length);
    if (!field) {
      head_ += length + kHeadFieldBytes;
      return in_.Skip(size);
    }
    if (field->shape) {
      parsed_ += kMessageBytes;
      const auto outer = in_.PushLimit(size);
      const bool good = over(*field->shape);
      in_.PopLimit(outer);
      return good;
    }
    if (field->element_bytes == 0) {
      parsed_ += length + kStringBytes;
      return in_.Skip(size);
    }
    return packed(size, field->element_bytes);
  }

  // As many numbers as there are bytes that end a varint.
  bool packed(int size, std::size_t element_bytes) {
    while (size > 0) {
      const void* data = nullptr;
      int there = 0;
      if (!in_.GetDirectBufferPointer(&data, &there) || there <= 0) return false;
      const int here = std::min(there, size);
      const std::span bytes(static_cast<const unsigned char*>(data),
                            static_cast<std::size_t>(here));
      const auto ends = std::ranges::count_if(bytes, [](unsigned char b) { return b < 0x80; });
      parsed_ += static_cast<std::size_t>(ends) * element_bytes;
      if (too_large()) return true;
      if (!in_.Skip(here)) return false;
      size -= here;
    }
    return true;
  }

  CodedInputStream& in_;
  std::size_t head_ = 0;
  std::size_t parsed_ = 0;
};

}  // namespace

const WireShape kInferShape{kInfer};
const WireShape kPredictShape{kPredict};

std::unexpected<Error> malformed_message() {
  return invalid("The bytes sent are no message of this method.");
}

Status check_wire_size(CodedInputStream& in, const WireShape& shape) {
  Walk walk(in);
  if (!walk.over(shape)) return malformed_message();
  if (!walk.too_large()) return {};
  return fail(
      ErrorKind::too_large,
      "The message would take too much memory; send fewer fields, or tensors as raw bytes.");
}

}  // namespace millrace::api
