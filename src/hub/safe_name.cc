#include "hub/safe_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <system_error>

#include "base/log.h"

namespace millrace::hub {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxComponent = 200;  // room for ".part.journal" below the usual 255
constexpr std::size_t kMaxName = 1024;

std::unexpected<Error> refuse(std::string_view name, std::string_view why) {
  return invalid(fmt::format("the file name \"{}\" is refused: {}; nothing was written for it",
                             escape_control_characters(name.substr(0, 120)), why),
                 {}, "hostile_name");
}

bool ends_as_ours(std::string_view component) {
  return component.ends_with(".part") || component.ends_with(".part.journal");
}

}  // namespace

Status check_file_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxName) return refuse(name, "its length");
  if (name.front() == '/') return refuse(name, "it is an absolute path");
  if (std::ranges::any_of(name, [](const unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    return refuse(name, "it holds control characters");
  }
  if (name.find('\\') != std::string_view::npos) return refuse(name, "it holds a backslash");
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view component = name.substr(begin, end - begin);
    if (component.empty() || component == "." || component == "..") {
      return refuse(name, "it leaves its folder");
    }
    if (component.size() > kMaxComponent) return refuse(name, "its length");
    if (ends_as_ours(component)) return refuse(name, "unfinished downloads are called like this");
    begin = end + 1;
  }
  return {};
}

Result<fs::path> make_path_beneath(const fs::path& folder, std::string_view name) {
  if (Status checked = check_file_name(name); !checked) return pass(checked);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error && !fs::is_directory(folder)) {
    return invalid(fmt::format("{}: {}", folder.string(), error.message()));
  }
  const fs::path relative(name);
  fs::path path = folder;
  for (const fs::path& component : relative.parent_path()) {
    path /= component;
    fs::create_directory(path, error);
    if (!fs::is_directory(fs::symlink_status(path, error))) {
      return refuse(name,
                    fmt::format("\"{}\" is there already and is no folder", component.string()));
    }
  }
  path /= relative.filename();
  const auto status = fs::symlink_status(path, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    return refuse(name, "something that is no plain file has this name already");
  }
  return path;
}

}  // namespace millrace::hub
