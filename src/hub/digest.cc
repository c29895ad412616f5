#include "hub/digest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/check.h"

namespace millrace::hub {

struct Digest::State {
  Checksum::Kind kind;
  EVP_MD_CTX* context = nullptr;
  ~State() { EVP_MD_CTX_free(context); }
};

Digest::Digest(Checksum::Kind kind, std::int64_t size) : state_(std::make_unique<State>()) {
  state_->kind = kind;
  if (kind == Checksum::Kind::none) return;
  const bool git = kind == Checksum::Kind::git_blob;
  state_->context = EVP_MD_CTX_new();
  MILLRACE_CHECK(state_->context != nullptr);
  MILLRACE_CHECK(EVP_DigestInit_ex(state_->context, git ? EVP_sha1() : EVP_sha256(), nullptr) == 1);
  if (git) {
    const std::string head = fmt::format("blob {}", size) + '\0';
    update(std::as_bytes(std::span(head)));
  }
}

Digest::Digest(Digest&& other) noexcept = default;
Digest& Digest::operator=(Digest&& other) noexcept = default;
Digest::~Digest() = default;

void Digest::update(std::span<const std::byte> bytes) {
  if (state_->context) EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

Checksum Digest::finish() {
  if (!state_->context) return {};
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned length = 0;
  EVP_DigestFinal_ex(state_->context, hash.data(), &length);
  Checksum checksum{.kind = state_->kind};
  for (unsigned i = 0; i < length; ++i) checksum.hex += fmt::format("{:02x}", hash[i]);
  return checksum;
}

std::string describe(const Checksum& checksum) {
  switch (checksum.kind) {
    case Checksum::Kind::sha256:
      return "SHA-256 " + checksum.hex;
    case Checksum::Kind::git_blob:
      return "git SHA-1 " + checksum.hex;
    case Checksum::Kind::none:
      break;
  }
  return "no checksum";
}

Checksum checksum_of_hex(std::string_view hex) {
  std::string lower;
  for (const char c : hex) {
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) return {};
    lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (lower.size() == 64) return {Checksum::Kind::sha256, lower};
  if (lower.size() == 40) return {Checksum::Kind::git_blob, lower};
  return {};
}

Result<Checksum> checksum_of_file(const std::filesystem::path& file, Checksum::Kind kind) {
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return invalid(file.filename().string() + ": " + std::strerror(errno));
  Digest digest(kind, ::lseek(fd, 0, SEEK_END));
  ::lseek(fd, 0, SEEK_SET);
  std::vector<std::byte> block(kBlock);
  ssize_t got = 0;
  while ((got = ::read(fd, block.data(), block.size())) > 0) {
    digest.update(std::span(block).first(static_cast<std::size_t>(got)));
  }
  const int error = errno;
  ::close(fd);
  if (got < 0) return invalid(file.filename().string() + ": " + std::strerror(error));
  return digest.finish();
}

}  // namespace millrace::hub
