#include "hub/token.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"

namespace millrace::hub {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxToken = 4096;

std::string trimmed(std::string text) {
  constexpr const char* kSpace = " \t\r\n";
  text.erase(text.find_last_not_of(kSpace) + 1);
  text.erase(0, text.find_first_not_of(kSpace));
  return text;
}

fs::path token_file(const Environment& environment) {
  const auto value = [&](const char* name) {
    const char* text = environment(name);
    return std::string(text ? text : "");
  };
  if (const auto path = value("HF_TOKEN_PATH"); !path.empty()) return path;
  if (const auto home = value("HF_HOME"); !home.empty()) return fs::path(home) / "token";
  if (const auto cache = value("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "huggingface" / "token";
  if (const auto home = value("HOME"); !home.empty())
    return fs::path(home) / ".cache" / "huggingface" / "token";
  return {};
}

}  // namespace

Result<std::string> find_token(const std::string& given, const Environment& environment) {
  std::string token = trimmed(given);
  std::string where = "--token";
  if (token.empty()) {
    const char* text = environment("HF_TOKEN");
    token = trimmed(text ? text : "");
    where = "HF_TOKEN";
  }
  if (token.empty()) {
    const fs::path file = token_file(environment);
    if (file.empty()) return token;
    auto text = read_file(file, kMaxToken);
    if (!text) return std::string();  // none kept
    token = trimmed(*text);
    where = file.string();
  }
  const bool plain =
      std::ranges::all_of(token, [](const unsigned char c) { return c > 0x20 && c < 0x7f; });
  if (!plain || token.size() > kMaxToken) {
    return invalid("the token from " + where + " holds characters that no token has");
  }
  return token;
}

}  // namespace millrace::hub
