#include "weights/weight_writer.h"

#include <array>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "weights/tensor_ranges.h"
#include "weights/weight_heads.h"

namespace millrace::weights {

WeightWriter::WeightWriter(std::filesystem::path file, FileFormat format)
    : file_(std::move(file)), format_(format), out_(part(), std::ios::binary) {}

WeightWriter::~WeightWriter() {
  if (!out_.is_open()) return;  // finished, or moved from
  out_.close();
  std::error_code ignored;
  std::filesystem::remove(part(), ignored);
}

std::filesystem::path WeightWriter::part() const {
  return std::filesystem::path(file_) += ".part";
}

Status WeightWriter::done_writing() {
  if (out_) return {};
  return fail(ErrorKind::invalid_argument, file_.filename().string() + " cannot be written", {},
              "not_writable");
}

Result<WeightWriter> WeightWriter::create(const std::filesystem::path& file, FileFormat format,
                                          const Metadata& metadata,
                                          const std::vector<DeclaredTensor>& tensors) {
  auto head = format == FileFormat::gguf ? gguf_head(metadata, tensors)
                                         : safetensors_head(metadata, tensors);
  if (!head) return pass(head);
  WeightWriter writer(file, format);
  for (const DeclaredTensor& tensor : tensors)
    writer.sizes_.push_back(*checked_tensor_bytes(tensor.dtype, tensor.shape));  // the head has it
  writer.out_ << *head;
  if (Status done = writer.done_writing(); !done) return pass(done);
  return writer;
}

Status WeightWriter::add(std::span<const std::byte> bytes) {
  MILLRACE_CHECK(num_written_ < sizes_.size() && bytes.size() == sizes_[num_written_]);
  ++num_written_;
  out_.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  if (format_ == FileFormat::gguf) {
    static constexpr std::array<char, kGgufAlignment> kZeros{};
    const std::uint64_t padding = (kGgufAlignment - bytes.size() % kGgufAlignment) % kGgufAlignment;
    out_.write(kZeros.data(), static_cast<std::streamsize>(padding));
  }
  return done_writing();
}

Status WeightWriter::finish() {
  MILLRACE_CHECK(num_written_ == sizes_.size());
  out_.flush();
  if (Status done = done_writing(); !done) return done;
  out_.close();
  std::error_code failed;
  std::filesystem::rename(part(), file_, failed);
  if (failed) return invalid(file_.filename().string() + ": " + failed.message());
  return {};
}

}  // namespace millrace::weights
