#include "serving/file_stamp.h"

#include <fmt/format.h>

#include <chrono>
#include <string_view>
#include <system_error>

namespace millrace::serving {
namespace fs = std::filesystem;
namespace {

constexpr int kMaxEntries = 100'000;

// FNV-1a.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

std::uint64_t stamp_of_file(const fs::path& path, const std::string& name) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return hash_of(name);
  const auto time = fs::last_write_time(path, error);
  const auto ticks = error ? 0 : time.time_since_epoch().count();
  return hash_of(fmt::format("{}/{}/{}", name, size, ticks));
}

// Calls `see` with each regular file and its path relative to the folder.
template <class See>
void each_file(const fs::path& folder, const See& see) {
  std::error_code error;
  fs::recursive_directory_iterator entries(folder, fs::directory_options::skip_permission_denied,
                                           error);
  for (int i = 0; !error && entries != fs::recursive_directory_iterator() && i < kMaxEntries; ++i) {
    std::error_code stat_error;
    if (entries->is_regular_file(stat_error)) see(entries->path());
    entries.increment(error);
  }
}

}  // namespace

std::int64_t bytes_in(const fs::path& path) {
  std::error_code error;
  const auto size_of = [&](const fs::path& file) {
    const auto size = fs::file_size(file, error);
    return error ? 0 : static_cast<std::int64_t>(size);
  };
  if (fs::is_regular_file(path, error)) return size_of(path);
  std::int64_t sum = 0;
  each_file(path, [&](const fs::path& file) { sum += size_of(file); });
  return sum;
}

std::uint64_t file_stamp(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    fs::path beside = path;
    beside.replace_extension(".toml");
    const std::uint64_t settings = fs::exists(beside, error) ? stamp_of_file(beside, "toml") : 0;
    return stamp_of_file(path, path.filename().string()) + settings;
  }
  // A sum, since folders are listed in no particular order.
  std::uint64_t sum = 1;
  each_file(path, [&](const fs::path& file) {
    sum += stamp_of_file(file, file.lexically_relative(path).string());
  });
  return sum;
}

std::uint64_t folder_stamp(const fs::path& folder) {
  std::uint64_t sum = 1;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code stat_error;
    if (!it->is_regular_file(stat_error)) continue;
    sum += stamp_of_file(it->path(), it->path().filename().string());
  }
  return sum;
}

}  // namespace millrace::serving
