#include "hub/prefix_hasher.h"

#include <algorithm>
#include <span>
#include <vector>

namespace millrace::hub {

PrefixHasher::PrefixHasher(const PartFile& part, Checksum::Kind kind)
    : part_(part), kind_(kind), digest_(kind, part.size()) {
  if (kind != Checksum::Kind::none) thread_ = std::thread([this] { work(); });
}

PrefixHasher::~PrefixHasher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void PrefixHasher::work() {
  constexpr std::int64_t kBlock = std::int64_t{1} << 20;
  std::vector<std::byte> block(static_cast<std::size_t>(kBlock));
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || (!failed_ && hashed_ < prefix_); });
    if (stopping_) return;
    const int round = round_;
    const std::int64_t at = hashed_;
    const auto bytes =
        std::span(block).first(static_cast<std::size_t>(std::min(kBlock, prefix_ - at)));
    lock.unlock();
    const bool read = part_.read(at, bytes);
    lock.lock();
    if (round != round_) continue;  // what was read counts no more
    if (read) digest_.update(bytes);
    failed_ = !read;
    hashed_ = at + static_cast<std::int64_t>(bytes.size());
    changed_.notify_all();
  }
}

void PrefixHasher::advance(std::int64_t prefix) {
  {
    const std::lock_guard lock(mutex_);
    prefix_ = std::max(prefix_, prefix);
  }
  changed_.notify_all();
}

void PrefixHasher::restart() {
  const std::lock_guard lock(mutex_);
  ++round_;
  prefix_ = hashed_ = 0;
  failed_ = false;
  digest_ = Digest(kind_, part_.size());
}

Checksum PrefixHasher::finish(std::int64_t size) {
  if (kind_ == Checksum::Kind::none) return {};
  advance(size);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return failed_ || hashed_ >= size; });
  return failed_ ? Checksum{} : digest_.finish();
}

}  // namespace millrace::hub
