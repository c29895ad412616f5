#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace millrace {
namespace {

// Closes on scope exit.
struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

std::string name_of(const std::filesystem::path& path) {
  return path.filename().string();
}

// Opens a regular file for reading; says how large it is.
Result<std::size_t> open_regular(const std::filesystem::path& path, Descriptor& out) {
  out.fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (out.fd < 0) {
    const bool absent = errno == ENOENT || errno == ENOTDIR;
    return fail(absent ? ErrorKind::not_found : ErrorKind::invalid_argument,
                name_of(path) + ": " + (absent ? "no such file" : std::strerror(errno)));
  }
  struct stat status{};
  if (::fstat(out.fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    return invalid(name_of(path) + ": not a regular file");
  }
  return static_cast<std::size_t>(status.st_size);
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  Descriptor file;
  auto size = open_regular(path, file);
  if (!size) return pass(size);
  MappedFile mapped;
  if (*size == 0) return mapped;
  void* address = ::mmap(nullptr, *size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (address == MAP_FAILED) {
    return fail(ErrorKind::internal, name_of(path) + ": cannot be mapped: " + std::strerror(errno));
  }
  mapped.data_ = static_cast<const std::byte*>(address);
  mapped.size_ = *size;
  return mapped;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::release(std::span<const std::byte> part) const {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data()) & ~(page - 1);
  const auto end =
      (reinterpret_cast<std::uintptr_t>(part.data()) + part.size() + page - 1) & ~(page - 1);
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  Descriptor file;
  auto size = open_regular(path, file);
  if (!size) return pass(size);
  if (*size > max_bytes) {
    return fail(ErrorKind::too_large, name_of(path) + ": " + std::to_string(*size) +
                                          " bytes, at most " + std::to_string(max_bytes) +
                                          " are accepted");
  }
  std::string text(*size, '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = ::read(file.fd, text.data() + done, text.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      return fail(ErrorKind::internal, name_of(path) + ": could not be read to its end");
    done += static_cast<std::size_t>(got);
  }
  return text;
}

Result<std::filesystem::path> resolve_beneath(const std::filesystem::path& folder,
                                              const std::string& relative) {
  const auto refuse = [&] {
    return invalid("\"" + relative + "\" does not name a file in the model's folder");
  };
  const std::filesystem::path name(relative);
  if (relative.empty() || relative.find('\0') != std::string::npos || name.is_absolute())
    return refuse();
  for (const auto& part : name) {
    if (part == "..") return refuse();
  }
  std::filesystem::path current = folder;
  std::error_code ec;
  for (const auto& part : name) {
    current /= part;
    if (std::filesystem::is_symlink(std::filesystem::symlink_status(current, ec))) return refuse();
  }
  struct stat status{};
  if (::lstat(current.c_str(), &status) != 0) {
    return fail(ErrorKind::not_found, "\"" + relative + "\": no such file in the model's folder");
  }
  if (!S_ISREG(status.st_mode) || status.st_nlink != 1) return refuse();
  return current;
}

}  // namespace millrace
