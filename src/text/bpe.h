// Byte-pair encoding of words, over bytes (GPT-2 and its heirs) or characters (SentencePiece, with
// bytes for the characters that the vocabulary lacks).
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/merges.h"
#include "text/token_model.h"
#include "text/vocabulary.h"

namespace millrace::text {

// Character → symbol: a flat table for the Basic Multilingual Plane, a map for the rest.
class CharSymbols {
 public:
  static constexpr Symbol kNone = ~Symbol{0};
  Symbol find(char32_t c) const {
    if (c < basic_.size()) return basic_[c];
    const auto found = others_.find(c);
    return found == others_.end() ? kNone : found->second;
  }
  void set(char32_t c, Symbol symbol) {
    if (basic_.empty()) basic_.resize(0x10000, kNone);
    if (c < basic_.size()) {
      basic_[c] = symbol;
    } else {
      others_[c] = symbol;
    }
  }

 private:
  std::vector<Symbol> basic_;
  std::unordered_map<char32_t, Symbol> others_;
};

// What a word starts as, before any merge, and what it ends as.
struct BpeAlphabet {
  static constexpr Symbol kNone = CharSymbols::kNone;
  static std::array<Symbol, 256> no_bytes() {
    std::array<Symbol, 256> none;
    none.fill(kNone);
    return none;
  }

  bool over_bytes = true;                             // else over characters
  std::array<Symbol, 256> of_byte = no_bytes();       // over characters: the byte fallback
  std::array<Symbol, 256> of_last_byte = no_bytes();  // over bytes, where words end in a suffix
  CharSymbols of_char{};                              // over characters
  // Characters that only exist inside longer tokens: symbol first_extra + i has no token of its own
  // and falls back to bytes if no merge takes it up.
  Symbol first_extra = kNone;
  std::vector<char32_t> extra_chars{};
  Symbol unknown = kNone;     // for what has no symbol at all; none: it is left out
  bool fuse_unknown = false;  // neighbouring unknowns are one
};

class Bpe final : public TokenModel {
 public:
  // `whole_words` (its strings outlive this): words that may be tokens as they are. ignore_merges:
  // they always are, as in Llama 3; else where the merges lead to that very token.
  Bpe(BpeAlphabet alphabet, MergeTable merges, StringIndex whole_words, std::size_t num_tokens,
      bool ignore_merges);

  void encode(std::span<const std::string_view> words, std::vector<TokenId>& out) const override;

 private:
  void encode_word(std::string_view word, std::vector<TokenId>& out) const;
  void merge_word(std::string_view word, std::vector<TokenId>& out) const;
  std::size_t first_symbols(std::string_view word, std::span<Symbol> symbols) const;
  std::size_t byte_symbols(std::string_view word, std::span<Symbol> symbols) const;
  std::size_t char_symbols(std::string_view word, std::span<Symbol> symbols) const;
  std::size_t fall_back(std::string_view character, std::span<Symbol> symbols,
                        std::size_t count) const;
  void first_ranks(std::string_view word, std::span<const Symbol> symbols,
                   std::span<std::uint32_t> ranks) const;
  void append_token(Symbol symbol, std::vector<TokenId>& out) const;

  // Whether merging a token's own text gives that token back: found out when it is first met.
  enum class Direct : std::uint8_t { unasked, yes, no };

  BpeAlphabet alphabet_;
  MergeTable merges_;
  std::vector<std::uint32_t> byte_pair_ranks_;  // over bytes: by the first byte * 256 + the second
  StringIndex whole_words_;
  std::unique_ptr<std::atomic<Direct>[]> direct_;
  bool ignore_merges_;
  std::uint32_t serial_;  // of this object in the process, never 0: the owner of lines in WordCache
};

}  // namespace millrace::text
