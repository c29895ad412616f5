#include "backends/openvino/saved_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "backends/openvino/graph_def.h"
#include "backends/openvino/tensor_proto.h"
#include "base/wire_reader.h"

namespace millrace::backends {
namespace {

// Numbers of the fields that are read here.
constexpr std::uint32_t kMetaGraphs = 2;                             // of SavedModel
constexpr std::uint32_t kMetaInfo = 1, kGraph = 2, kSignatures = 5;  // of MetaGraphDef
constexpr std::uint32_t kTags = 4;                                   // of MetaInfoDef
constexpr std::uint32_t kKey = 1, kValue = 2;                        // of a map's entry
constexpr std::uint32_t kInputs = 1, kOutputs = 2, kMethod = 3;      // of SignatureDef
constexpr std::uint32_t kName = 1, kType = 2, kShape = 3;            // of TensorInfo

struct MapEntry {
  std::string_view key, value;
};

bool read_entry(std::string_view bytes, MapEntry& entry) {
  WireReader reader(bytes);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number == kKey) entry.key = field.bytes;
    if (field.number == kValue) entry.value = field.bytes;
  }
  return !reader.failed();
}

std::unexpected<Error> malformed() {
  return invalid("the SavedModel's signatures are malformed");
}

Status read_tensor(std::string_view bytes, std::vector<SignatureTensor>& tensors) {
  MapEntry entry;
  if (!read_entry(bytes, entry)) return malformed();
  SignatureTensor tensor{.name = std::string(entry.key)};
  WireReader reader(entry.value);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number == kName) tensor.tensor = field.bytes;
    if (field.number == kType) tensor.type = static_cast<int>(field.value & 0xff);
    if (field.number != kShape) continue;
    auto dims = read_tensor_shape(field.bytes);
    if (!dims) return pass(dims);
    tensor.dims = *std::move(dims);
  }
  if (reader.failed()) return malformed();
  tensors.push_back(std::move(tensor));
  return {};
}

Status read_signature(std::string_view bytes, std::vector<Signature>& signatures) {
  MapEntry entry;
  if (!read_entry(bytes, entry)) return malformed();
  Signature signature{.name = std::string(entry.key)};
  WireReader reader(entry.value);
  for (WireReader::Field field; reader.next(field);) {
    Status read;
    if (field.number == kMethod) signature.method = field.bytes;
    if (field.number == kInputs) read = read_tensor(field.bytes, signature.inputs);
    if (field.number == kOutputs) read = read_tensor(field.bytes, signature.outputs);
    if (!read) return read;
  }
  if (reader.failed()) return malformed();
  // What TensorFlow runs itself at load has neither.
  const bool is_asked = !signature.inputs.empty() && !signature.outputs.empty();
  if (is_asked && !signature.method.empty()) signatures.push_back(std::move(signature));
  return {};
}

bool is_for_serving(std::string_view meta_graph) {
  WireReader reader(meta_graph);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number != kMetaInfo) continue;
    WireReader info(field.bytes);
    for (WireReader::Field tag; info.next(tag);) {
      if (tag.number == kTags && tag.bytes == "serve") return true;
    }
  }
  return false;
}

// The graph for serving, or the only one.
std::string_view meta_graph_of(std::string_view file) {
  std::string_view first;
  WireReader reader(file);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number != kMetaGraphs) continue;
    if (is_for_serving(field.bytes)) return field.bytes;
    if (first.empty()) first = field.bytes;
  }
  return first;
}

Status complete(const GraphDef& graph, Signature& signature) {
  SignatureTensor& first = signature.inputs.front();
  if (signature.inputs.size() == 1) {
    auto parser = graph.parser_of(first.tensor);
    if (!parser) return pass(parser);
    signature.parser = *std::move(parser);
  }
  if (signature.parser) {  // some files say otherwise
    first.type = kTypeString;
    if (first.dims && first.dims->size() != 1) first.dims.reset();
  }
  for (SignatureTensor& input : signature.inputs) {
    if (input.dims) continue;
    auto dims = graph.dims_of(input.tensor);
    if (!dims) return pass(dims);
    input.dims = *std::move(dims);
  }
  return {};
}

std::string tensor_entry(const SignatureTensor& tensor) {
  std::string info, entry;
  append_field(info, kName, tensor.tensor);
  append_field(entry, kKey, tensor.name);
  append_field(entry, kValue, info);
  return entry;
}

std::string default_entry(const Signature& signature) {
  std::string definition, entry;
  for (const SignatureTensor& input : signature.inputs) {
    append_field(definition, kInputs, tensor_entry(input));
  }
  for (const SignatureTensor& output : signature.outputs) {
    append_field(definition, kOutputs, tensor_entry(output));
  }
  append_field(definition, kMethod, signature.method);
  append_field(entry, kKey, kDefaultSignature);
  append_field(entry, kValue, definition);
  return entry;
}

}  // namespace

Result<std::vector<Signature>> read_signatures(std::string_view file) {
  std::vector<Signature> signatures;
  std::string_view graph;
  WireReader reader(meta_graph_of(file));
  for (WireReader::Field field; reader.next(field);) {
    if (field.number == kGraph) graph = field.bytes;
    if (field.number != kSignatures) continue;
    if (Status read = read_signature(field.bytes, signatures); !read) return pass(read);
  }
  if (reader.failed()) return malformed();
  const GraphDef nodes(graph);
  for (Signature& signature : signatures) {
    if (Status done = complete(nodes, signature); !done) return pass(done);
  }
  std::ranges::sort(signatures, {}, [](const Signature& signature) {
    return std::pair(signature.name != kDefaultSignature, signature.name);
  });
  return signatures;
}

std::string with_only(std::string_view file, const Signature& signature) {
  std::string meta, changed;
  WireReader of_meta(meta_graph_of(file));
  for (WireReader::Field field; of_meta.next(field);) {
    if (field.number != kSignatures) meta += field.whole;
  }
  append_field(meta, kSignatures, default_entry(signature));
  WireReader of_file(file);
  for (WireReader::Field field; of_file.next(field);) {
    if (field.number != kMetaGraphs) changed += field.whole;
  }
  append_field(changed, kMetaGraphs, meta);
  return changed;
}

}  // namespace millrace::backends
