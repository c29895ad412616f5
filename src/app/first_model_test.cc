#include "app/first_model.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

namespace millrace::app {
namespace {

TEST(FirstModel, OnlyWhoHasNoneIsToldHowToGetOne) {
  const Error none{.kind = ErrorKind::not_found, .message = "no models at 'x'"};
  EXPECT_NE(with_first_model(none).find("no models at 'x'; `millrace pull "), std::string::npos);
  EXPECT_EQ(with_first_model({.kind = ErrorKind::too_large, .message = "too large"}), "too large");
}

TEST(FirstModel, AnotherNameIsAnsweredWithThoseThatAreThere) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("millrace-first-" + std::to_string(::getpid()));
  EXPECT_NE(no_such_model("smol", folder.string()).find("millrace pull"), std::string::npos);
  std::filesystem::create_directories(folder / "smollm2");
  std::ofstream(folder / ".hidden") << "";
  EXPECT_EQ(no_such_model("smol", folder.string()),
            "there is no model 'smol' here; " + folder.string() + " holds smollm2");
  for (int i = 10; i < 30; ++i) std::filesystem::create_directory(folder / std::to_string(i));
  EXPECT_TRUE(no_such_model("smol", folder.string()).ends_with("20, 21, …"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace millrace::app
