#include "hub/choose_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <regex>
#include <set>
#include <string_view>

namespace millrace::hub {
namespace {

constexpr std::string_view kPreferred = "q4_k_m";

std::string lower(std::string_view text) {
  std::string copy(text);
  std::ranges::transform(copy, copy.begin(), [](const unsigned char c) { return std::tolower(c); });
  return copy;
}

std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

bool is_top_level(std::string_view path) {
  return path.find('/') == std::string_view::npos;
}

bool is_gguf_model(std::string_view path) {
  return path.ends_with(".gguf") && !base_name(path).starts_with("mmproj");
}

// The parts of one split model have one stem; a whole file is its own.
std::string gguf_stem(std::string_view path) {
  static const std::regex kPart("-[0-9]{5}-of-[0-9]{5}\\.gguf$");
  return std::regex_replace(std::string(path), kPart, ".gguf");
}

bool is_text_side(std::string_view name) {
  static constexpr std::array<std::string_view, 16> kNames{"config.json",
                                                           "generation_config.json",
                                                           "tokenizer.json",
                                                           "tokenizer_config.json",
                                                           "special_tokens_map.json",
                                                           "added_tokens.json",
                                                           "vocab.json",
                                                           "vocab.txt",
                                                           "merges.txt",
                                                           "tokenizer.model",
                                                           "spiece.model",
                                                           "chat_template.jinja",
                                                           "chat_template.json",
                                                           "preprocessor_config.json",
                                                           "processor_config.json",
                                                           "model.safetensors.index.json"};
  return std::ranges::find(kNames, name) != kNames.end();
}

// 0 first: weights, then the rest, then what says "here is a model".
int rank(std::string_view name) {
  const std::string_view base = base_name(name);
  if (base == "config.json") return 4;
  if (base == "model.safetensors.index.json") return 3;
  if (base.find("-00001-of-") != std::string_view::npos && base.ends_with(".gguf")) return 3;
  return name.ends_with(".safetensors") || name.ends_with(".gguf") ? 1 : 2;
}

std::vector<HubFile> in_order(std::vector<HubFile> files) {
  std::ranges::sort(files, [](const HubFile& a, const HubFile& b) {
    return std::pair(rank(a.name), a.name) < std::pair(rank(b.name), b.name);
  });
  return files;
}

std::vector<HubFile> filter(const std::vector<HubFile>& files, auto keep) {
  std::vector<HubFile> kept;
  std::ranges::copy_if(files, std::back_inserter(kept), keep);
  return kept;
}

std::set<std::string> gguf_models(const std::vector<HubFile>& files) {
  std::set<std::string> stems;
  for (const HubFile& file : files) {
    if (is_gguf_model(file.name)) stems.insert(gguf_stem(file.name));
  }
  return stems;
}

std::vector<HubFile> parts_of(const std::vector<HubFile>& files, const std::string& stem) {
  return filter(files, [&](const HubFile& file) {
    return is_gguf_model(file.name) && gguf_stem(file.name) == stem;
  });
}

// "…-Q8_0.gguf", "….q8_0.gguf"
bool has_quantisation(const std::string& stem, const std::string& quantisation) {
  const std::string name = lower(base_name(stem));
  return name.ends_with("-" + quantisation + ".gguf") ||
         name.ends_with("." + quantisation + ".gguf") ||
         name.ends_with("_" + quantisation + ".gguf");
}

std::string some(const std::set<std::string>& names) {
  constexpr std::size_t kMost = 24;
  std::vector<std::string> shown;
  for (const auto& name : names) {
    if (shown.size() < kMost) shown.push_back(name);
  }
  return fmt::format("{}{}", fmt::join(shown, ", "), names.size() > kMost ? ", …" : "");
}

Result<std::vector<HubFile>> choose_gguf(const std::vector<HubFile>& files,
                                         const std::set<std::string>& stems) {
  const auto preferred = std::ranges::find_if(stems, [](const std::string& stem) {
    return has_quantisation(stem, std::string(kPreferred));
  });
  if (preferred != stems.end()) return in_order(parts_of(files, *preferred));
  if (stems.size() == 1) return in_order(parts_of(files, *stems.begin()));
  return invalid(
      fmt::format("this repository has several GGUF files and no Q4_K_M; choose one with "
                  ":FILE, of: {}",
                  some(stems)),
      {}, "several_files");
}

Result<std::vector<HubFile>> choose_default(const std::vector<HubFile>& files) {
  const auto has = [&](auto test) { return std::ranges::any_of(files, test); };
  const bool has_config = has([](const HubFile& f) { return f.name == "config.json"; });
  const auto is_weights = [](const HubFile& f) {
    return is_top_level(f.name) && f.name.ends_with(".safetensors");
  };
  if (has_config && has(is_weights)) {
    // "consolidated.safetensors" and the like say the same once more.
    const auto is_model = [&](const HubFile& f) {
      return is_weights(f) && f.name.starts_with("model");
    };
    const bool only_model = has(is_model);
    return in_order(filter(files, [&](const HubFile& file) {
      return is_text_side(file.name) || (only_model ? is_model(file) : is_weights(file));
    }));
  }
  if (const auto stems = gguf_models(files); !stems.empty()) return choose_gguf(files, stems);
  return fail(ErrorKind::not_found,
              "this repository has neither config.json with *.safetensors nor a *.gguf file; "
              "choose files with :PATTERN if you want them all the same",
              {}, "no_model");
}

}  // namespace

Result<std::vector<HubFile>> choose_files(const std::vector<HubFile>& files,
                                          const std::string& wanted) {
  if (wanted.empty()) return choose_default(files);
  const auto exact = filter(files, [&](const HubFile& f) { return f.name == wanted; });
  if (!exact.empty())
    return in_order(is_gguf_model(wanted) ? parts_of(files, gguf_stem(wanted)) : exact);
  const auto matching = filter(files, [&](const HubFile& file) {
    return ::fnmatch(wanted.c_str(), file.name.c_str(), 0) == 0;
  });
  if (!matching.empty()) return in_order(matching);
  const auto stems = gguf_models(files);
  for (const std::string& stem : stems) {
    if (has_quantisation(stem, lower(wanted))) return in_order(parts_of(files, stem));
  }
  std::set<std::string> names = stems;
  if (names.empty()) {
    for (const HubFile& file : files) names.insert(file.name);
  }
  return fail(
      ErrorKind::not_found,
      fmt::format("no file of this repository is \"{}\"; there are: {}", wanted, some(names)), {},
      "no_such_file");
}

}  // namespace millrace::hub
