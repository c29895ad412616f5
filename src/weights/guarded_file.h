// GuardedFile: a mapped model file that survives being cut short, and notices being changed.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "weights/mapping_guard.h"

namespace millrace::weights {

class GuardedFile {
 public:
  static Result<GuardedFile> open(const std::filesystem::path& path);

  const std::string& name() const { return name_; }  // without its folder
  std::span<const std::byte> bytes() const { return mapping_.bytes(); }
  void release(std::span<const std::byte> part) const { mapping_.release(part); }
  // An error once the file was cut short or written to after open(). A file that was removed, or
  // replaced by another under the same name, is still whole in the mapping.
  Status still_intact() const;

 private:
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;
    std::int64_t size = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  static bool read_stamp(const std::filesystem::path& path, Stamp& out);

  std::filesystem::path path_;
  std::string name_;
  Stamp stamp_;
  MappedFile mapping_;
  MappingGuard guard_;  // after the mapping: gone before it
};

}  // namespace millrace::weights
