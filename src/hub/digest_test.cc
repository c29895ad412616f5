#include "hub/digest.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::hub {
namespace {

Checksum sum(Checksum::Kind kind, const std::string& text) {
  Digest digest(kind, static_cast<std::int64_t>(text.size()));
  digest.update(std::as_bytes(std::span(text)));
  return digest.finish();
}

// FIPS 180-2, appendix B.1, and `git hash-object`.
TEST(Digest, KnownValues) {
  EXPECT_EQ(sum(Checksum::Kind::sha256, "abc").hex,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sum(Checksum::Kind::git_blob, "").hex, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(sum(Checksum::Kind::git_blob, "hello\n").hex,
            "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(sum(Checksum::Kind::none, "abc"), Checksum{});
}

TEST(Digest, KindFromTheLength) {
  EXPECT_EQ(checksum_of_hex(std::string(64, 'A')).hex, std::string(64, 'a'));
  EXPECT_EQ(checksum_of_hex(std::string(40, '0')).kind, Checksum::Kind::git_blob);
  EXPECT_EQ(checksum_of_hex("abc"), Checksum{});
  EXPECT_EQ(checksum_of_hex(std::string(64, 'x')), Checksum{});
}

}  // namespace
}  // namespace millrace::hub
