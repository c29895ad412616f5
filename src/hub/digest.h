// Checksums of files: SHA-256, and git's SHA-1 of a blob, by which a hub names its small files.
// Names OpenSSL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::hub {

struct Checksum {
  enum class Kind : std::uint8_t { none, sha256, git_blob };
  Kind kind = Kind::none;
  std::string hex{};  // lower case
  bool operator==(const Checksum&) const = default;
};

// "SHA-256 b179…", for people.
std::string describe(const Checksum& checksum);
// 64 hexadecimal digits: SHA-256; 40: git's; anything else: none.
Checksum checksum_of_hex(std::string_view hex);

// Bytes in order → checksum. Kind none computes nothing. Not thread-safe.
class Digest {
 public:
  // `size`: of all bytes to come; git's checksum begins with it.
  Digest(Checksum::Kind kind, std::int64_t size);
  Digest(Digest&& other) noexcept;
  Digest& operator=(Digest&& other) noexcept;
  ~Digest();
  void update(std::span<const std::byte> bytes);
  Checksum finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Of a whole file.
Result<Checksum> checksum_of_file(const std::filesystem::path& file, Checksum::Kind kind);

}  // namespace millrace::hub
