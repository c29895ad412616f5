#include "app/progress_bar.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace millrace::app
