#include "hub/part_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <utility>

#include "base/file.h"

namespace millrace::hub {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxJournalBytes = std::size_t{64} << 20;
constexpr int kReadWrite = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;

const char* kind_name(Checksum::Kind kind) {
  if (kind == Checksum::Kind::sha256) return "sha256";
  return kind == Checksum::Kind::git_blob ? "git" : "none";
}

// The lock holds for the file that has the name: whoever had it before may have renamed it.
bool has_name(int fd, const fs::path& path) {
  struct stat by_fd{}, by_name{};
  return ::fstat(fd, &by_fd) == 0 && ::lstat(path.c_str(), &by_name) == 0 &&
         by_fd.st_ino == by_name.st_ino && by_fd.st_dev == by_name.st_dev;
}

Result<int> open_locked(const fs::path& path) {
  constexpr int kTries = 10;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const int fd = ::open(path.c_str(), kReadWrite, 0666);
    if (fd < 0) return std::unexpected(write_error(path, errno));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      ::close(fd);
      break;
    }
    if (has_name(fd, path)) return fd;
    ::close(fd);
  }
  return fail(ErrorKind::conflict,
              fmt::format("{}: another pull is writing this file; wait for it, or end it",
                          path.stem().string()));
}

// "123 456\n"
bool parse_range(std::string_view line, ByteRange& range) {
  const char* end = line.data() + line.size();
  const auto first = std::from_chars(line.data(), end, range.begin);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ' ') return false;
  const auto second = std::from_chars(first.ptr + 1, end, range.end);
  return second.ec == std::errc() && second.ptr == end;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

void sync_folder_of(const fs::path& file) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

std::string lines_of(const ByteRanges& ranges) {
  std::string lines;
  for (const auto& [begin, end] : ranges.list()) lines += fmt::format("{} {}\n", begin, end);
  return lines;
}

}  // namespace

Error write_error(const fs::path& file, int error_number) {
  const std::string name = file.filename().string();
  const std::string folder = file.has_parent_path() ? file.parent_path().string() : ".";
  if (error_number == ENOSPC || error_number == EDQUOT) {
    return {.kind = ErrorKind::unavailable,
            .message = fmt::format(
                "{}: no space left in {}; free some, or pull elsewhere with --to", name, folder),
            .code = "disk_full"};
  }
  if (error_number == EFBIG) {
    return {.kind = ErrorKind::unavailable,
            .message = fmt::format("{}: larger than a file may be here (ulimit -f, or the file "
                                   "system of {})",
                                   name, folder),
            .code = "disk_full"};
  }
  return {.kind = ErrorKind::invalid_argument,
          .message = fmt::format("{} cannot be written in {}: {}", name, folder,
                                 std::strerror(error_number)),
          .code = "not_writable"};
}

PartFile::PartFile(PartFile&& other) noexcept
    : final_(std::move(other.final_)),
      part_(std::move(other.part_)),
      journal_(std::move(other.journal_)),
      identity_(std::move(other.identity_)),
      fd_(std::exchange(other.fd_, -1)),
      journal_fd_(std::exchange(other.journal_fd_, -1)),
      size_(other.size_),
      present_(std::move(other.present_)),
      unsaved_(std::move(other.unsaved_)) {}

PartFile::~PartFile() {
  if (fd_ >= 0 && journal_fd_ >= 0) static_cast<void>(checkpoint());
  if (journal_fd_ >= 0) ::close(journal_fd_);
  if (fd_ >= 0) ::close(fd_);
}

Result<PartFile> PartFile::open(const fs::path& final_path, std::int64_t size,
                                const Checksum& checksum) {
  PartFile file;
  file.final_ = final_path;
  file.part_ = final_path.string() + ".part";
  file.journal_ = final_path.string() + ".part.journal";
  file.size_ = size;
  file.identity_ =
      fmt::format("millrace-part 1 {} {}:{}", size, kind_name(checksum.kind), checksum.hex);
  auto fd = open_locked(file.part_);
  if (!fd) return pass(fd);
  file.fd_ = *fd;
  if (Status loaded = file.load_journal(file.identity_); !loaded) return pass(loaded);
  if (Status reserved = file.reserve(); !reserved) {
    if (file.present_.empty()) file.discard();
    return pass(reserved);
  }
  return file;
}

Status PartFile::reserve() const {
  if (size_ > 0 && ::fallocate(fd_, 0, 0, size_) != 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
    return std::unexpected(write_error(final_, errno));
  }
  return {};
}

Status PartFile::load_journal(const std::string& identity) {
  struct stat status{};
  ::fstat(fd_, &status);
  if (auto text = read_file(journal_, kMaxJournalBytes)) {
    std::string_view rest = *text;
    bool first = true;
    for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end + 1);
      if (first && line != identity) break;
      ByteRange range;
      if (!first && (!parse_range(line, range) || range.end > size_ || range.end > status.st_size))
        break;
      if (!first) present_.add(range);
      first = false;
    }
  }
  if (present_.empty() && ::ftruncate(fd_, 0) != 0)
    return std::unexpected(write_error(final_, errno));
  return begin_journal(identity);
}

// A fresh journal with what is present, in one piece: the old one stays until this one is whole.
Status PartFile::begin_journal(const std::string& identity) {
  const fs::path fresh = journal_.string() + ".new";
  const int fd = ::open(fresh.c_str(), kReadWrite | O_TRUNC, 0666);
  if (fd < 0) return std::unexpected(write_error(final_, errno));
  if (!write_all(fd, identity + "\n" + lines_of(present_)) || ::fsync(fd) != 0 ||
      ::rename(fresh.c_str(), journal_.c_str()) != 0) {
    const int error = errno;
    ::close(fd);
    ::unlink(fresh.c_str());
    return std::unexpected(write_error(final_, error));
  }
  if (journal_fd_ >= 0) ::close(journal_fd_);
  journal_fd_ = fd;
  return {};
}

Status PartFile::write(std::int64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd_, bytes.data(), bytes.size(), offset);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return std::unexpected(write_error(final_, errno));
    present_.add({offset, offset + put});
    unsaved_.add({offset, offset + put});
    offset += put;
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

bool PartFile::read(std::int64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(fd_, bytes.data(), bytes.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    offset += got;
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

Status PartFile::checkpoint() {
  if (unsaved_.empty()) return {};
  if (::fdatasync(fd_) != 0 || !write_all(journal_fd_, lines_of(unsaved_))) {
    return std::unexpected(write_error(final_, errno));
  }
  unsaved_.clear();
  return {};
}

Status PartFile::restart() {
  present_.clear();
  unsaved_.clear();
  return begin_journal(identity_);
}

Status PartFile::finish() {
  if (::ftruncate(fd_, size_) != 0 || ::fsync(fd_) != 0 ||
      ::rename(part_.c_str(), final_.c_str()) != 0) {
    return std::unexpected(write_error(final_, errno));
  }
  unsaved_.clear();
  sync_folder_of(final_);
  ::unlink(journal_.c_str());
  return {};
}

void PartFile::discard() {
  unsaved_.clear();
  ::unlink(part_.c_str());
  ::unlink(journal_.c_str());
}

}  // namespace millrace::hub
