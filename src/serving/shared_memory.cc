#include "serving/shared_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace millrace::serving {
namespace {

constexpr std::size_t kMaxNameBytes = 255;

std::string shown(std::string_view name) {
  std::string text(name.substr(0, 64));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  return fmt::format("'{}'", text);
}

// The object's name as shm_open wants it, with one slash and that in front; empty for others.
std::string object_name(std::string_view key) {
  if (key.starts_with('/')) key.remove_prefix(1);
  const bool plain =
      std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7f && c != '/'; });
  if (key.empty() || key.size() >= kMaxNameBytes || !plain || key == "." || key == "..") return {};
  return fmt::format("/{}", key);
}

bool is_within(std::uint64_t offset, std::uint64_t size, std::uint64_t whole) {
  return offset <= whole && size <= whole - offset;
}

// The size of a plain object; 0 for anything else.
std::uint64_t size_of(int file) {
  struct stat about{};
  if (::fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) return 0;
  return static_cast<std::uint64_t>(about.st_size);
}

// Moves all of `size` bytes or fails. `step(done)` moves some and says how many.
template <class Step>
bool move_all(std::size_t size, Step step) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t moved = step(done);
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) return false;
    done += static_cast<std::size_t>(moved);
  }
  return true;
}

}  // namespace

struct SharedMemory::Open {
  Open(SharedRegion about, int opened) : region(std::move(about)), file(opened) {}
  ~Open() { ::close(file); }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;

  const SharedRegion region;
  const int file;
};

SharedMemory::SharedMemory() = default;
SharedMemory::~SharedMemory() = default;

Status SharedMemory::add(SharedRegion region) {
  if (region.name.empty() || region.name.size() > kMaxNameBytes) {
    return invalid("a shared memory region needs a name of at most 255 bytes", "name");
  }
  const std::string name = object_name(region.key);
  if (name.empty()) {
    return invalid(
        fmt::format("region {}: 'key' must be the name of a shared memory object, such as "
                    "\"/name\" with no further slash",
                    shown(region.name)),
        "key");
  }
  const int file = ::shm_open(name.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK, 0);
  if (file < 0) {
    return invalid(fmt::format("region {}: there is no shared memory object {} that this server "
                               "may read and write",
                               shown(region.name), shown(region.key)),
                   "key");
  }
  auto open = std::make_shared<const Open>(std::move(region), file);
  const SharedRegion& r = open->region;
  if (r.byte_size == 0 || !is_within(r.offset, r.byte_size, size_of(file))) {
    return invalid(fmt::format("region {}: offset {} and byte_size {} are not within the object {}",
                               shown(r.name), r.offset, r.byte_size, shown(r.key)),
                   "byte_size");
  }
  std::lock_guard lock(mutex_);
  if (regions_.contains(r.name)) {
    return fail(ErrorKind::conflict,
                fmt::format("region {} is registered already; unregister it first", shown(r.name)),
                "name");
  }
  if (regions_.size() >= kMaxRegions) {
    return fail(ErrorKind::too_large,
                fmt::format("{} shared memory regions are registered, which is the most; "
                            "unregister some",
                            kMaxRegions));
  }
  regions_.emplace(r.name, std::move(open));
  return {};
}

Status SharedMemory::remove(std::string_view name) {
  std::lock_guard lock(mutex_);
  const auto found = regions_.find(name);
  if (found == regions_.end()) {
    return fail(ErrorKind::not_found,
                fmt::format("no shared memory region {} is registered", shown(name)), "name");
  }
  regions_.erase(found);
  return {};
}

void SharedMemory::clear() {
  std::lock_guard lock(mutex_);
  regions_.clear();
}

std::vector<SharedRegion> SharedMemory::list() const {
  std::lock_guard lock(mutex_);
  std::vector<SharedRegion> out;
  out.reserve(regions_.size());
  for (const auto& [name, open] : regions_) out.push_back(open->region);
  return out;
}

Result<SharedRegion> SharedMemory::find(std::string_view name) const {
  std::lock_guard lock(mutex_);
  const auto found = regions_.find(name);
  if (found != regions_.end()) return found->second->region;
  return fail(ErrorKind::not_found,
              fmt::format("no shared memory region {} is registered", shown(name)), "name");
}

Result<std::shared_ptr<const SharedMemory::Open>> SharedMemory::at(const SharedPiece& piece) const {
  std::shared_ptr<const Open> open;
  {
    std::lock_guard lock(mutex_);
    const auto found = regions_.find(piece.region);
    if (found == regions_.end()) {
      return fail(ErrorKind::not_found,
                  fmt::format("no shared memory region {} is registered", shown(piece.region)),
                  "shared_memory_region");
    }
    open = found->second;
  }
  if (piece.byte_size > kMaxPieceBytes) {
    return invalid(fmt::format("a tensor in shared memory may have {} bytes, not {}",
                               kMaxPieceBytes, piece.byte_size),
                   "shared_memory_byte_size");
  }
  const SharedRegion& region = open->region;
  // What the object is now: it may have been truncated since it was registered.
  if (is_within(piece.offset, piece.byte_size, region.byte_size) &&
      is_within(region.offset + piece.offset, piece.byte_size, size_of(open->file))) {
    return open;
  }
  return invalid(
      fmt::format("shared_memory_offset {} and shared_memory_byte_size {} are not within region "
                  "{}",
                  piece.offset, piece.byte_size, shown(piece.region)),
      "shared_memory_byte_size");
}

Result<std::string> SharedMemory::read(const SharedPiece& piece) const {
  const auto open = at(piece);
  if (!open) return std::unexpected(open.error());
  bool whole = false;
  std::string out;
  // The function may be given more than was asked for (libstdc++ 12).
  const std::size_t size = piece.byte_size;
  out.resize_and_overwrite(size, [&](char* bytes, std::size_t) {
    whole = move_all(size, [&](std::size_t done) {
      return ::pread((*open)->file, bytes + done, size - done,
                     static_cast<off_t>((*open)->region.offset + piece.offset + done));
    });
    return size;
  });
  if (whole) return out;
  return invalid(fmt::format("region {} became shorter while it was read", shown(piece.region)),
                 "shared_memory_region");
}

Status SharedMemory::write(const SharedPiece& piece, std::span<const std::byte> data) const {
  if (data.size() > piece.byte_size) {
    return invalid(fmt::format("{} bytes do not fit the {} of the output's shared memory",
                               data.size(), piece.byte_size),
                   "shared_memory_byte_size");
  }
  const auto open = at(piece);
  if (!open) return std::unexpected(open.error());
  const bool whole = move_all(data.size(), [&](std::size_t done) {
    return ::pwrite((*open)->file, data.data() + done, data.size() - done,
                    static_cast<off_t>((*open)->region.offset + piece.offset + done));
  });
  if (whole) return {};
  return fail(ErrorKind::unavailable,
              fmt::format("region {} could not be written", shown(piece.region)),
              "shared_memory_region");
}

}  // namespace millrace::serving
