// For tests: a folder that is removed again, files in it, and where the shared test data lie.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace millrace::weights {

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~ScratchFolder() {
    std::error_code ec;
    std::filesystem::remove_all(path_, ec);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    const auto path = path_ / name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

 private:
  std::filesystem::path path_;
};

// The shared data folder ($MILLRACE_DATA, or beside the checkout); empty where there is none.
inline std::filesystem::path shared_data(const std::string& relative) {
  const char* named = std::getenv("MILLRACE_DATA");
  const std::filesystem::path folder =
      named ? std::filesystem::path(named)
            : std::filesystem::path(MILLRACE_SOURCE_DIR) / ".." / "shared" / "data";
  std::error_code ec;
  return std::filesystem::exists(folder / relative, ec) ? folder / relative
                                                        : std::filesystem::path();
}

}  // namespace millrace::weights
