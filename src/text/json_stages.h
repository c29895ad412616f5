// The text-side components of a tokenizer.json: normalizer, pre_tokenizer, decoder, post_processor.
// https://github.com/huggingface/tokenizers
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "text/normalizer.h"
#include "text/pipeline.h"
#include "text/pretokenize.h"

namespace millrace::text {

// Each takes the component's value (not null) and its path in the file, for messages.
Result<Normalizer> read_normalizer(const json::value& component, const std::string& path);

struct JsonPretokenizer {
  std::vector<std::unique_ptr<Splitter>> stages{};
  PiecePreparation preparation{};
  bool byte_level = false;  // the model's tokens are spelt in the byte alphabet
  bool has_metaspace = false;
};
Result<JsonPretokenizer> read_pretokenizer(const json::value& component, const std::string& path);

// How a token's spelling becomes output.
struct JsonDecoder {
  std::vector<std::pair<std::string, std::string>> replacements{};
  bool byte_level = false;
  bool byte_fallback = false;
  bool strips_leading_space = false;
};
Result<JsonDecoder> read_decoder(const json::value& component, const std::string& path);

struct JsonPostProcessor {
  std::vector<TokenId> before{};
  std::vector<TokenId> after{};
};
Result<JsonPostProcessor> read_post_processor(const json::value& component,
                                              const std::string& path);

}  // namespace millrace::text
