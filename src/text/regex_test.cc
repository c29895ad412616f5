#include "text/regex.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/clock.h"

namespace millrace::text {
namespace {

std::vector<std::string> matches(std::string_view pattern, std::string_view text) {
  auto regex = Regex::compile(pattern);
  EXPECT_TRUE(regex) << pattern;
  std::vector<std::string> found;
  if (!regex) return found;
  Regex::Scan scan(*regex, text);
  while (const auto match = scan.next()) {
    found.emplace_back(text.substr(match->begin, match->end - match->begin));
  }
  return found;
}

using Strings = std::vector<std::string>;

TEST(Regex, FindsAllMatches) {
  EXPECT_EQ(matches(R"(\p{L}+)", "ab 12 çé中"), (Strings{"ab", "çé中"}));
  EXPECT_EQ(matches(R"(\s+(?!\S)|\s+)", "a   b "), (Strings{"  ", " ", " "}));
  EXPECT_EQ(matches(R"((?i:'s))", "'S'\u017f"), (Strings{"'S", "'\u017f"}));
  EXPECT_EQ(matches(R"(x)", ""), Strings{});
}

TEST(Regex, EmptyMatchesAreReportedOnce) {
  EXPECT_EQ(matches(R"((?=b))", "abab"), (Strings{"", ""}));
  EXPECT_EQ(matches(R"(x*)", "中a"), (Strings{"", ""}));
}

TEST(Regex, ClassesAreOnigurumas) {
  EXPECT_EQ(matches(R"(\s)", "a\u180e\u3000"), (Strings{"\u3000"}));
  EXPECT_EQ(matches(R"([^\s]+)", "a\u180eb c"), (Strings{"a\u180eb", "c"}));
  EXPECT_EQ(matches(R"(\w+)", "e\u0301\u203fx-y"), (Strings{"e\u0301\u203fx", "y"}));
  EXPECT_EQ(matches(R"([\w-]+)", "a_b-\u0301 c"), (Strings{"a_b-\u0301", "c"}));
  EXPECT_EQ(matches(R"(\h+)", "xyzafAF09g"), (Strings{"afAF09"}));
  EXPECT_EQ(matches(R"([]\s]+)", "a] ]"), (Strings{"] ]"}));
  EXPECT_EQ(matches(R"([[:alpha:]\s]+)", "ab 1"), (Strings{"ab "}));
  EXPECT_EQ(matches(R"(a$)", "a\na"), (Strings{"a", "a"}));
}

TEST(Regex, RefusesWhatItCannotSay) {
  for (const char* pattern : {"", "(", "[a", "a{2,1}", "[a&&b]", "[a[bc]]", "(?~x)", R"(\y)",
                              R"([\W])", R"(\C)", R"((?<x)", "[[:nope:]]", "[[:", "\\"}) {
    EXPECT_FALSE(Regex::compile(pattern)) << pattern;
  }
  EXPECT_FALSE(Regex::compile(std::string(Regex::kMaxPatternBytes + 1, 'a')));
  EXPECT_FALSE(Regex::compile(std::string(9000, '(') + std::string(7000, ')')));
}

TEST(Regex, MatchesMayBeLongerThanAWindow) {
  const std::string text = "b" + std::string(20'000, 'a') + "b" + std::string(3000, 'a') + "c";
  EXPECT_EQ(matches("a+", text), (Strings{std::string(20'000, 'a'), std::string(3000, 'a')}));
  EXPECT_EQ(matches("a+(?=c)", text), (Strings{std::string(3000, 'a')}));
  const std::string far = std::string(50'000, 'x') + "y";
  EXPECT_EQ(matches("y", far), Strings{"y"});
}

// Each of these takes exponential or high polynomial time without limits.
TEST(Regex, BombsEnd) {
  const std::string text(100'000, 'a');
  for (const char* pattern : {"(a+)+$(?<=b)", "(a|aa)+b", "(?:a?){60}a{60}b", "(a*)*b", "a*a*a*a*b",
                              "(.*)(.*)(.*)(.*)c", "(?=(a+)+b)x|a"}) {
    const TimePoint begun = Clock::now();
    matches(pattern, text);
    EXPECT_LT(seconds_between(begun, Clock::now()), 8) << pattern;
  }
}

}  // namespace
}  // namespace millrace::text
