#include "text/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace millrace::text {
namespace {

struct Outcome {
  std::string text;
  std::optional<std::size_t> matched;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome run(const std::vector<std::string>& stops, const std::vector<std::string>& pieces,
            bool include_stop = false) {
  StopMatcher matcher(stops, include_stop);
  Outcome out;
  for (const auto& piece : pieces) {
    auto step = matcher.push(piece);
    out.text += step.text;
    if (step.matched) out.matched = step.matched;
  }
  out.text += matcher.finish();
  return out;
}

TEST(StopMatcher, FindsAcrossPieces) {
  EXPECT_EQ(run({"\n\nUser:"}, {"Hi.\n", "\nUs", "er: x"}), (Outcome{"Hi.", 0}));
  EXPECT_EQ(run({"\n\nUser:"}, {"Hi.\n", "\nUs", "er: x"}, true), (Outcome{"Hi.\n\nUser:", 0}));
  EXPECT_EQ(run({"END"}, {"E", "N", "X", "EN"}), (Outcome{"ENXEN", std::nullopt}));
  EXPECT_EQ(run({}, {"a", "b"}), (Outcome{"ab", std::nullopt}));
  EXPECT_EQ(run({"", "b"}, {"ab"}), (Outcome{"a", 1}));
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBecomeAMatch) {
  StopMatcher matcher({"abac", "xyz"});
  EXPECT_EQ(matcher.push("12ab").text, "12");
  EXPECT_EQ(matcher.push("a").text, "");
  EXPECT_EQ(matcher.push("b").text, "ab");  // "ab" of "abab" may start "abac" again
  EXPECT_EQ(matcher.push("q").text, "abq");
  EXPECT_EQ(matcher.push("xy").text, "");
  EXPECT_EQ(matcher.finish(), "xy");
}

TEST(StopMatcher, FirstCompleteWinsThenTheLongest) {
  EXPECT_EQ(run({"world", "wor"}, {"hello world"}), (Outcome{"hello ", 1}));
  EXPECT_EQ(run({"b", "abc"}, {"xabc"}), (Outcome{"xa", 0}));
  EXPECT_EQ(run({"c", "abc"}, {"xabc"}), (Outcome{"x", 1}));
  EXPECT_EQ(run({"aab", "aaab"}, {"aaaab"}), (Outcome{"a", 1}));
  EXPECT_EQ(run({"same", "same"}, {"same"}), (Outcome{"", 0}));
}

TEST(StopMatcher, NothingFollowsAMatch) {
  StopMatcher matcher({"."});
  EXPECT_EQ(matcher.push("a.b").text, "a");
  EXPECT_EQ(matcher.push("c").text, "");
  EXPECT_FALSE(matcher.push(".").matched);
  EXPECT_EQ(matcher.finish(), "");
}

// The definition: the first position where some stop string ends; the longest that ends there.
Outcome define(const std::vector<std::string>& stops, const std::string& text) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < stops.size(); ++i) {
      const bool ends = std::string_view(text).substr(0, end).ends_with(stops[i]);
      if (ends && (!best || stops[i].size() > stops[*best].size())) best = i;
    }
    if (best) return {text.substr(0, end - stops[*best].size()), best};
  }
  return {text, std::nullopt};
}

TEST(StopMatcher, AgreesWithTheDefinitionWhateverThePieces) {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> stops(1 + random() % 4);
    for (auto& stop : stops) {
      stop.resize(1 + random() % 5);
      for (char& c : stop) c = static_cast<char>('a' + random() % 2);
    }
    std::string text;
    std::vector<std::string> pieces(random() % 12);
    for (auto& piece : pieces) {
      piece.resize(random() % 4);
      for (char& c : piece) c = static_cast<char>('a' + random() % 3);
      text += piece;
    }
    EXPECT_EQ(run(stops, pieces), define(stops, text)) << text;
  }
}

}  // namespace
}  // namespace millrace::text
