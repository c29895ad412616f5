#include "net/output_queue.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace millrace::net {
namespace {

constexpr std::size_t kMaxGather = 64;

}  // namespace

void OutputQueue::push(std::string bytes) {
  if (bytes.empty()) return;
  num_bytes_ += bytes.size();
  if (first_ < parts_.size() && parts_.back().size() + bytes.size() <= kMergeBytes) {
    parts_.back().append(bytes);
  } else {
    parts_.push_back(std::move(bytes));
  }
}

OutputQueue::Flush OutputQueue::flush(ByteStream& stream) {
  if (empty()) return Flush::all;
  std::array<iovec, kMaxGather> gather;
  std::size_t count = 0;
  for (std::size_t i = first_; i < parts_.size() && count < kMaxGather; ++i, ++count) {
    const std::size_t skip = i == first_ ? offset_ : 0;
    gather[count] = {parts_[i].data() + skip, parts_[i].size() - skip};
  }
  const ssize_t written = stream.write(gather.data(), count);
  if (written < 0) {
    return errno == EAGAIN || errno == EWOULDBLOCK ? Flush::none : Flush::broken;
  }
  drop(static_cast<std::size_t>(written));
  if (empty()) return Flush::all;
  return written > 0 ? Flush::some : Flush::none;
}

void OutputQueue::drop(std::size_t count) {
  num_bytes_ -= count;
  if (num_bytes_ == 0) return clear();
  while (count > 0) {
    const std::size_t step = std::min(count, parts_[first_].size() - offset_);
    offset_ += step;
    count -= step;
    if (offset_ < parts_[first_].size()) break;
    std::string().swap(parts_[first_++]);
    offset_ = 0;
  }
}

void OutputQueue::clear() {
  if (parts_.capacity() > 8) {
    std::vector<std::string>().swap(parts_);
  } else {
    parts_.clear();
  }
  first_ = offset_ = num_bytes_ = 0;
}

}  // namespace millrace::net
