// Builds byte-pair models from what the files hold: merges as pairs of spellings, or scores.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/bpe.h"
#include "text/vocabulary.h"

namespace millrace::text {

struct MergeSpelling {
  std::string_view left;
  std::string_view right;
};

struct BpeOptions {
  bool ignore_merges = false;  // a word that is a token is that token
  bool byte_fallback = false;  // over characters: <0x0A> for what is no token
  bool fuse_unknown = false;
  std::string end_of_word_suffix{};  // over bytes: spelt at the end of each word's last token
  TokenId unknown = -1;
};

// Errors name `field` and the merge. The vocabulary must outlive the model. Merges that make a
// control token are left out: text must not be able to spell one.
Result<std::unique_ptr<Bpe>> build_byte_bpe(const Vocabulary& vocabulary,
                                            std::span<const MergeSpelling> merges,
                                            const BpeOptions& options, const std::string& field);
Result<std::unique_ptr<Bpe>> build_char_bpe(const Vocabulary& vocabulary,
                                            std::span<const MergeSpelling> merges,
                                            const BpeOptions& options, const std::string& field);
// SentencePiece: neighbours merge where together they are a token, the highest score first. One
// score a token. Tokens over 512 bytes are never made.
Result<std::unique_ptr<Bpe>> build_scored_bpe(const Vocabulary& vocabulary,
                                              std::span<const float> scores,
                                              const BpeOptions& options);

// Whether ▁ occurs in tokens only at the start, or behind other ▁: then no merge crosses
// from a word to the ▁ of the next, and words can be encoded one by one.
bool words_start_with_metaspace(const Vocabulary& vocabulary);

// "<0x0A>" → 10; -1 for anything else.
int parse_byte_token(std::string_view spelling);

inline constexpr std::string_view kMetaspace = "\xE2\x96\x81";  // ▁, U+2581

}  // namespace millrace::text
