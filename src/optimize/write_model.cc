#include "optimize/write_model.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace millrace::optimize {
namespace {

// One tensor of the new file: where its bytes are.
struct Part {
  weights::DeclaredTensor declared;
  std::span<const std::byte> bytes;
};

std::string scale_name(std::string weight) {
  const std::string suffix = ".weight";
  weight.resize(weight.size() - suffix.size());
  return weight + models::kScaleSuffix;
}

std::vector<Part> parts_of(const weights::WeightFile& source, const QuantisedModel& model) {
  std::vector<Part> parts;
  for (const std::string& name : source.names()) {
    const TensorView& view = *source.find(name);
    const auto found = model.tensors.find(name);
    if (found == model.tensors.end()) {
      if (name == model.unused) continue;
      parts.push_back({{name, view.dtype, view.shape},
                       {static_cast<const std::byte*>(view.data), view.num_bytes()}});
      continue;
    }
    const QuantisedTensor& tensor = found->second;
    parts.push_back({{name, tensor.kind, Shape{tensor.rows, tensor.columns}},
                     {tensor.bytes.data(), tensor.bytes.size()}});
    if (tensor.kind == DType::i8) {
      parts.push_back({{scale_name(name), DType::f32, Shape{tensor.rows}},
                       std::as_bytes(std::span(tensor.scales))});
    }
  }
  // Safetensors follow each other without a gap: wide elements first keeps all aligned.
  std::ranges::stable_sort(parts, std::greater<>(), [](const Part& part) {
    const DType type = part.declared.dtype;
    return dtype_block_elements(type) == 1 ? dtype_block_bytes(type) : 2;
  });
  return parts;
}

weights::Metadata metadata_of(const weights::WeightFile& source, std::string_view label) {
  weights::Metadata metadata = source.metadata();
  std::erase_if(metadata, [](const auto& pair) {
    const std::string& key = pair.first;
    return key.starts_with("split.") || key == "general.file_type" || key == "general.alignment";
  });
  metadata["millrace.quantization"] = std::string(label);
  return metadata;
}

}  // namespace

Result<WrittenModel> write_model(const weights::WeightFile& source, const QuantisedModel& model,
                                 std::string_view label, weights::FileFormat format,
                                 const std::filesystem::path& file) {
  const std::vector<Part> parts = parts_of(source, model);
  std::vector<weights::DeclaredTensor> declared;
  for (const Part& part : parts) declared.push_back(part.declared);
  auto writer = weights::WeightWriter::create(file, format, metadata_of(source, label), declared);
  if (!writer) return pass(writer);
  for (const Part& part : parts) {
    if (Status done = writer->add(part.bytes); !done) return pass(done);
  }
  if (Status intact = source.still_intact(); !intact) return pass(intact);
  if (Status done = writer->finish(); !done) return pass(done);

  WrittenModel written;
  std::error_code ignored;
  written.file_bytes = std::filesystem::file_size(file, ignored);
  for (const auto& [name, tensor] : model.tensors) {
    written.num_weights += std::int64_t{tensor.rows} * tensor.columns;
    written.weight_bytes += tensor.bytes.size() + tensor.scales.size() * sizeof(float);
  }
  return written;
}

}  // namespace millrace::optimize
