#include "weights/mapped_weights.h"

#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>

namespace millrace::weights {
namespace {

// What a kernel may load at once: an element of a plain type. Blocks begin with 16-bit scales but
// are read bytewise by every kernel, since their sizes are odd multiples of two.
std::size_t alignment_of(DType dtype) {
  return dtype_block_elements(dtype) == 1 ? dtype_block_bytes(dtype) : 2;
}

}  // namespace

void MappedWeights::add_file(GuardedFile file) {
  files_.push_back(std::move(file));
}

bool MappedWeights::add_tensor(std::string name, TensorView view) {
  if (tensors_.contains(name)) return false;
  const std::size_t num_bytes = view.num_bytes();
  if (num_bytes > 0 &&
      reinterpret_cast<std::uintptr_t>(view.data) % alignment_of(view.dtype) != 0) {
    Buffer copy(num_bytes);
    std::memcpy(copy.data(), view.data, num_bytes);
    view.data = copy.data();
    copies_.push_back(std::move(copy));
  }
  tensors_.emplace(std::move(name), view);
  return true;
}

const TensorView* MappedWeights::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

std::vector<std::string> MappedWeights::names() const {
  std::vector<std::string> all;
  all.reserve(tensors_.size());
  for (const auto& [name, view] : tensors_) all.push_back(name);
  return all;
}

void MappedWeights::release(const TensorView& tensor) const {
  const auto* begin = static_cast<const std::byte*>(tensor.data);
  for (const auto& file : files_) {
    const auto bytes = file.bytes();
    if (bytes.empty() || std::less<>()(begin, bytes.data()) ||
        !std::less<>()(begin, bytes.data() + bytes.size())) {
      continue;
    }
    file.release(bytes.subspan(static_cast<std::size_t>(begin - bytes.data()), tensor.num_bytes()));
    return;
  }
}

Status MappedWeights::still_intact() const {
  for (const auto& file : files_) {
    if (auto intact = file.still_intact(); !intact) return intact;
  }
  return {};
}

std::uint64_t MappedWeights::num_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& file : files_) sum += file.bytes().size();
  return sum;
}

}  // namespace millrace::weights
