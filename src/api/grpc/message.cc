#include "api/grpc/message.h"

#include <google/protobuf/io/coded_stream.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include <vector>

namespace millrace::api {

Message::Message(const std::string& bytes) : bytes_(to_byte_buffer(bytes)) {}

Status Message::parse(google::protobuf::MessageLite& into) {
  if (size() == 0) return {};  // every field has its default
  grpc::ProtoBufferReader stream(&bytes_);
  if (into.ParseFromZeroCopyStream(&stream)) return {};
  return malformed_message();
}

std::string Message::take() {
  std::string all;
  std::vector<grpc::Slice> slices;
  if (size() == 0 || !bytes_.Dump(&slices).ok()) return all;
  all.reserve(bytes_.Length());
  for (const grpc::Slice& slice : slices) {
    all.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  bytes_.Clear();
  return all;
}

Status Message::check_size(const WireShape& shape) {
  if (size() == 0) return {};
  grpc::ProtoBufferReader stream(&bytes_);
  google::protobuf::io::CodedInputStream in(&stream);
  return check_wire_size(in, shape);
}

grpc::ByteBuffer to_byte_buffer(std::string bytes) {
  auto* kept = new std::string(std::move(bytes));
  const grpc::Slice slice(
      kept->data(), kept->size(), [](void* given) { delete static_cast<std::string*>(given); },
      kept);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace millrace::api
