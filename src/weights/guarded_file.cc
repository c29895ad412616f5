#include "weights/guarded_file.h"

#include <sys/stat.h>

#include <utility>

#include "weights/file_errors.h"

namespace millrace::weights {

bool GuardedFile::read_stamp(const std::filesystem::path& path, Stamp& out) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return false;
  out = {status.st_dev, status.st_ino, status.st_size,
         std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
  return true;
}

Result<GuardedFile> GuardedFile::open(const std::filesystem::path& path) {
  GuardedFile file;
  file.path_ = path;
  file.name_ = path.filename().string();
  auto mapping = MappedFile::open(path);
  if (!mapping) return in_file(file.name_, std::move(mapping.error()));
  file.mapping_ = std::move(*mapping);
  file.guard_ = MappingGuard(file.mapping_.bytes());
  if (!file.bytes().empty() && !file.guard_.guards()) {
    return fail(ErrorKind::unavailable, file.name_ + ": too many model files are open");
  }
  if (!read_stamp(path, file.stamp_) ||
      file.stamp_.size != static_cast<std::int64_t>(file.bytes().size())) {
    return in_file(file.name_, bad_file("it changed while it was opened").error());
  }
  return file;
}

Status GuardedFile::still_intact() const {
  Stamp now;
  const bool same_file =
      read_stamp(path_, now) && now.device == stamp_.device && now.inode == stamp_.inode;
  if (guard_.torn() || (same_file && now != stamp_)) {
    return in_file(name_, bad_file("it was changed while it was in use; load it again").error());
  }
  return {};
}

}  // namespace millrace::weights
