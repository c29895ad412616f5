#include "api/ui/inflate.h"

#include <gtest/gtest.h>

#include <string_view>

namespace millrace::api {
namespace {

// printf 'Millrace Millrace Millrace' | gzip -9n
constexpr std::string_view kGzip(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xf3\xcd\xcc\xc9\x29\x4a\x4c\x4e\x55\xf0\x45\x67"
    "\x00\x00\x36\x84\xa8\xcf\x1a\x00\x00\x00",
    32);

TEST(InflateGzip, ReadsWhatGzipWrote) {
  EXPECT_EQ(inflate_gzip(kGzip, 26), "Millrace Millrace Millrace");
}

TEST(InflateGzipDeathTest, OurOwnFilesAreWhole) {
  EXPECT_DEATH(inflate_gzip(kGzip, 25), "");
  EXPECT_DEATH(inflate_gzip(kGzip, 27), "");
  EXPECT_DEATH(inflate_gzip(kGzip.substr(0, 20), 26), "");
  EXPECT_DEATH(inflate_gzip("not gzip", 26), "");
}

}  // namespace
}  // namespace millrace::api
