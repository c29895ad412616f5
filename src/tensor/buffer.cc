#include "tensor/buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace millrace {
namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kSmallPage = std::size_t{64} << 10;  // of any machine, at most

// Maps zero pages that begin on a huge-page boundary: maps one huge page too many, then gives the
// ends back.
std::byte* map_huge(std::size_t bytes) {
  const std::size_t mapped = bytes + kHugePage;
  void* const base =
      mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MILLRACE_CHECK(base != MAP_FAILED);
  auto* const first = static_cast<std::byte*>(base);
  const std::size_t head =
      (kHugePage - reinterpret_cast<std::uintptr_t>(base) % kHugePage) % kHugePage;
  if (head > 0) munmap(first, head);
  munmap(first + head + bytes, mapped - head - bytes);
  (void)madvise(first + head, bytes, MADV_HUGEPAGE);  // a hint
  return first + head;
}

// What a buffer of `size` bytes occupies, a multiple of its alignment or page.
std::size_t capacity(std::size_t size) {
  const std::size_t unit = size >= kHugePage ? std::size_t{64} << 10 : kCacheLine;
  return (size + unit - 1) / unit * unit;
}

void release(std::byte* data, std::size_t size, bool is_part) {
  if (data == nullptr || is_part) return;
  if (size >= kHugePage) {
    munmap(data, capacity(size));
  } else {
    std::free(data);
  }
}

}  // namespace

Buffer::Buffer(std::size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  MILLRACE_CHECK(bytes <= SIZE_MAX - 2 * kHugePage);
  if (bytes >= kHugePage) {
    data_ = map_huge(capacity(bytes));
    return;
  }
  data_ = static_cast<std::byte*>(std::aligned_alloc(kCacheLine, capacity(bytes)));
  MILLRACE_CHECK(data_ != nullptr);
  std::memset(data_, 0, capacity(bytes));
}

Buffer::Buffer(std::shared_ptr<Buffer> whole, std::size_t offset, std::size_t bytes)
    : data_(whole->data() + offset), size_(bytes), whole_(std::move(whole)) {
  MILLRACE_CHECK(offset <= whole_->size() && bytes <= whole_->size() - offset);
}

void Buffer::make_present(std::size_t begin, std::size_t end) const {
  if (size_ < kHugePage && !whole_) return;  // was written when it was made
  begin = begin / kSmallPage * kSmallPage;
  end = std::min(end, size_);
#ifdef MADV_POPULATE_WRITE
  if (begin < end) (void)madvise(data_ + begin, end - begin, MADV_POPULATE_WRITE);
#endif
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      whole_(std::move(other.whole_)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    release(data_, size_, whole_ != nullptr);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    whole_ = std::move(other.whole_);
  }
  return *this;
}

Buffer::~Buffer() {
  release(data_, size_, whole_ != nullptr);
}

}  // namespace millrace
