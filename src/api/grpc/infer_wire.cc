#include "api/grpc/infer_wire.h"

#include <google/protobuf/io/coded_stream.h>

#include <cstdint>
#include <string>

namespace millrace::api {
namespace {

using google::protobuf::io::CodedInputStream;

constexpr std::uint32_t kRawInput = (7 << 3) | 2;  // number and wire type

// Over one field that is well formed: check_size() has walked over it.
void skip(CodedInputStream& in, std::uint32_t wire_type) {
  std::uint64_t number = 0;
  std::uint32_t length = 0;
  switch (wire_type) {
    case 0:
      in.ReadVarint64(&number);
      return;
    case 1:
      in.Skip(8);
      return;
    case 5:
      in.Skip(4);
      return;
    default:
      in.ReadVarint32(&length);
      in.Skip(static_cast<int>(length));
  }
}

}  // namespace

Status parse_infer(InferWire& wire) {
  if (Status ok = wire.message.check_size(kInferShape); !ok) return ok;
  const std::string_view bytes = wire.message.bytes();
  CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                      static_cast<int>(bytes.size()));
  const auto position = [&in] { return static_cast<std::size_t>(in.CurrentPosition()); };
  std::vector<std::string_view> pieces;  // between raw tensors: fields may come in any order
  std::size_t begin = 0;                 // of the piece that goes on here
  const auto end_piece = [&](std::size_t end) {
    if (end > begin) pieces.push_back(bytes.substr(begin, end - begin));
  };
  for (;;) {
    const std::size_t start = position();
    const std::uint32_t tag = in.ReadTag();
    if (tag == 0) break;
    if (tag != kRawInput) {
      skip(in, tag & 7);
      continue;
    }
    end_piece(start);
    std::uint32_t length = 0;
    in.ReadVarint32(&length);
    wire.raw.push_back(bytes.substr(position(), length));
    in.Skip(static_cast<int>(length));
    begin = position();
  }
  end_piece(bytes.size());
  std::string joined;
  if (pieces.size() > 1) {
    for (const std::string_view piece : pieces) joined += piece;
    pieces = {joined};
  }
  const std::string_view head = pieces.empty() ? std::string_view() : pieces.front();
  if (wire.head.ParseFromArray(head.data(), static_cast<int>(head.size()))) return {};
  return malformed_message();
}

}  // namespace millrace::api
