// Tokenizer: text ↔ token ids, the same ids as the model's own tokenizer gives. Immutable after
// load and thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::text {

using TokenId = std::int32_t;

struct EncodeOptions {
  bool add_special_tokens = true;    // BOS/EOS or the post-processor's template, where there is one
  bool parse_special_tokens = true;  // "<|im_end|>" in the text becomes that token
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Time and memory are bounded by O(n log n) in the text's bytes. Invalid UTF-8 becomes U+FFFD.
  virtual std::vector<TokenId> encode(std::string_view utf8,
                                      const EncodeOptions& options = {}) const = 0;

  // The bytes this token adds to the output when it follows others (a lone token may be part of a
  // character: see Detokenizer). Empty for ids out of range.
  virtual std::string_view token_bytes(TokenId id) const = 0;
  virtual bool is_special(TokenId id) const = 0;  // control tokens, hidden from users by default
  virtual std::optional<TokenId> find(std::string_view token) const = 0;  // exact vocabulary entry
  virtual int vocab_size() const = 0;
  virtual std::size_t longest_token_bytes() const = 0;
  virtual TokenId bos_token() const = 0;  // -1: none
  virtual TokenId eos_token() const = 0;
  // The first token of an output loses one leading space (SentencePiece's added prefix).
  virtual bool strips_leading_space() const = 0;
};

// GGUF's tokenizer fields, or vocab.json + merges.txt turned into the same shape.
struct VocabTable {
  std::string kind{};  // "gpt2": byte-level BPE; "llama": SentencePiece BPE with byte fallback
  std::string
      pre{};  // pre-tokeniser by name: "gpt-2", "llama-bpe", "qwen2", "smollm", "default", …
  std::vector<std::string> tokens{};
  std::vector<float> scores{};
  std::vector<std::int32_t> token_types{};  // as in GGUF: 1 normal … 3 control … 6 byte
  std::vector<std::string> merges{};
  TokenId bos_token = -1, eos_token = -1, unknown_token = -1;
  std::optional<bool> add_bos{}, add_eos{};  // not given: what is usual for this kind
  bool add_space_prefix = true;              // "llama" only
};

Result<std::unique_ptr<Tokenizer>> tokenizer_from_vocab(VocabTable table);
// Hugging Face tokenizer.json; `config_json` (tokenizer_config.json) may be empty.
Result<std::unique_ptr<Tokenizer>> tokenizer_from_json(std::string_view tokenizer_json,
                                                       std::string_view config_json = {});
// GPT-2's vocab.json + merges.txt.
Result<std::unique_ptr<Tokenizer>> tokenizer_from_vocab_and_merges(std::string_view vocab_json,
                                                                   std::string_view merges_txt);

std::string decode(const Tokenizer& tokenizer, const std::vector<TokenId>& ids,
                   bool skip_special_tokens = true);

}  // namespace millrace::text
