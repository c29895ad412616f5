#include "app/progress_bar.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <string>

namespace millrace::app {
namespace {

std::string written(bool is_terminal) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* out = open_memstream(&text, &size);
  {
    ProgressBar bar(out, is_terminal);
    bar.show("m", "packing", 0.25);
    bar.show("m", "packing", 0.5);
    bar.show("m", "ready", 1);
  }
  std::fclose(out);
  std::string result(text, size);
  std::free(text);
  return result;
}

TEST(ProgressBar, DrawsCells) {
  EXPECT_EQ(bar_text(0.5, 4), "██░░  50 %");
  EXPECT_EQ(bar_text(2, 2), "██ 100 %");
  EXPECT_EQ(bar_text(-1, 2), "░░   0 %");
}

TEST(ProgressBar, WithoutATerminalEachStageIsOneLine) {
  EXPECT_EQ(written(false), "m: packing\nm: ready\n");
}

TEST(ProgressBar, OnATerminalItLeavesNothingBehind) {
  const std::string text = written(true);
  EXPECT_NE(text.find("░"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\r\x1b[K"));
}

TEST(ProgressBar, ALineNeverWraps) {
  const std::string stage = "5.0 MiB of 10.0 MiB, 1.0 MiB/s, 5 s left";
  const auto columns = [](const std::string& text) {  // bytes that begin a character
    return std::ranges::count_if(text, [](const char c) { return (c & 0xc0) != 0x80; });
  };
  EXPECT_EQ(bar_line("name", stage, 0.5, 120), "name " + bar_text(0.5, 24) + " " + stage);
  EXPECT_EQ(bar_line("name", stage, 0.5, 60), "name " + bar_text(0.5, 24) + " 5.0 MiB of 10.0 MiB");
  for (const int width : {50, 60, 80, 100}) {
    EXPECT_LT(columns(bar_line("[1/3] model-00001-of-00002.safetensors", stage, 0.5, width)),
              width);
  }
}

}  // namespace
}  // namespace millrace::app
