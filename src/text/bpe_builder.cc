#include "text/bpe_builder.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "text/byte_alphabet.h"
#include "text/unicode.h"

namespace millrace::text {
namespace {

constexpr std::size_t kMaxScoredBytes = 512;

bool is_normal(const Vocabulary& vocabulary, TokenId id) {
  return vocabulary.kind(id) == TokenKind::normal;
}

std::unexpected<Error> bad_merge(const std::string& field, std::size_t i, std::string_view part,
                                 const char* what) {
  std::string shown(part.substr(0, 64));
  return invalid(
      field + "[" + std::to_string(i) + "]: '" + replace_invalid_utf8(shown) + "' " + what, field);
}

Result<MergeTable> resolve_merges(const Vocabulary& vocabulary,
                                  std::span<const MergeSpelling> merges, const std::string& field) {
  if (merges.size() >= kMaxMerges) {
    return fail(ErrorKind::too_large, field + ": more than 4194303 merges", field);
  }
  MergeTable table(merges.size());
  std::string merged;
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const MergeSpelling& merge = merges[i];
    const TokenId left = vocabulary.find(merge.left);
    const TokenId right = vocabulary.find(merge.right);
    if (left < 0) return bad_merge(field, i, merge.left, "is not a token");
    if (right < 0) return bad_merge(field, i, merge.right, "is not a token");
    merged = merge.left;
    merged += merge.right;
    const TokenId result = vocabulary.find(merged);
    if (result < 0) return bad_merge(field, i, merged, "is not a token");
    if (vocabulary.kind(result) == TokenKind::control) continue;
    table.add(static_cast<Symbol>(left), static_cast<Symbol>(right),
              table.add_rank(static_cast<Symbol>(result)));
  }
  return table;
}

Symbol as_symbol(TokenId id) {
  return id < 0 ? BpeAlphabet::kNone : static_cast<Symbol>(id);
}

// Over bytes: the token spelt as this byte, with the suffix or without.
Symbol byte_symbol(const Vocabulary& vocabulary, unsigned byte, const std::string& suffix) {
  const std::string_view spelling = ByteAlphabet::get().spelling(static_cast<unsigned char>(byte));
  return as_symbol(vocabulary.find(std::string(spelling) + suffix));
}

// The words that are tokens as they are. `suffix` is spelt but not part of the word.
StringIndex whole_words(const Vocabulary& vocabulary, std::string_view suffix, bool over_bytes) {
  StringIndex index(vocabulary.size());
  std::string decoded;
  for (TokenId id = 0; static_cast<std::size_t>(id) < vocabulary.size(); ++id) {
    const std::string_view spelling = vocabulary.spelling(id);
    if (!is_normal(vocabulary, id) || spelling.empty() || !spelling.ends_with(suffix)) continue;
    if (!over_bytes) {
      index.insert(spelling, id);
      continue;
    }
    decoded.clear();
    const auto stem = spelling.substr(0, spelling.size() - suffix.size());
    if (!ByteAlphabet::get().decode(stem, decoded) || decoded.empty()) continue;
    index.insert(vocabulary.bytes(id).substr(0, decoded.size()), id);
  }
  return index;
}

void add_byte_fallback(const Vocabulary& vocabulary, BpeAlphabet& alphabet) {
  for (TokenId id = 0; static_cast<std::size_t>(id) < vocabulary.size(); ++id) {
    const int byte = parse_byte_token(vocabulary.spelling(id));
    if (byte >= 0) alphabet.of_byte[static_cast<std::size_t>(byte)] = as_symbol(id);
  }
}

// The one character that a spelling is; 0 where it is longer or empty.
char32_t only_character(std::string_view spelling) {
  if (spelling.empty() || spelling.size() > 4) return 0;
  const char* p = spelling.data();
  const char32_t c = next_char(p);
  return p == spelling.data() + spelling.size() ? c : 0;
}

BpeAlphabet char_alphabet(const Vocabulary& vocabulary, const BpeOptions& options) {
  BpeAlphabet alphabet;
  alphabet.over_bytes = false;
  alphabet.unknown = as_symbol(options.unknown);
  alphabet.fuse_unknown = options.fuse_unknown;
  if (options.byte_fallback) add_byte_fallback(vocabulary, alphabet);
  for (TokenId id = 0; static_cast<std::size_t>(id) < vocabulary.size(); ++id) {
    const char32_t c = only_character(vocabulary.spelling(id));
    if (c != 0 && is_normal(vocabulary, id)) alphabet.of_char.set(c, as_symbol(id));
  }
  return alphabet;
}

// Where a token can be cut in two known symbols.
class ScoredMerges {
 public:
  ScoredMerges(const Vocabulary& vocabulary, BpeAlphabet& alphabet)
      : vocabulary_(vocabulary), alphabet_(alphabet) {
    alphabet_.first_extra = static_cast<Symbol>(vocabulary.size());
  }

  void add_cuts_of(TokenId id, std::uint32_t rank) {
    const std::string_view text = vocabulary_.spelling(id);
    const char* p = text.data();
    for (next_char(p); p < text.data() + text.size(); next_char(p)) {
      const auto left_size = static_cast<std::size_t>(p - text.data());
      const Symbol left = symbol_of(text.substr(0, left_size));
      if (left == BpeAlphabet::kNone) continue;
      const Symbol right = symbol_of(text.substr(left_size));
      if (right != BpeAlphabet::kNone) cuts_.push_back({left, right, rank});
    }
  }

  Result<MergeTable> table(std::span<const TokenId> by_rank) const {
    if (vocabulary_.size() + alphabet_.extra_chars.size() >= kMaxVocabulary - 1 ||
        cuts_.size() >= kMaxMerges || by_rank.size() >= kMaxMerges) {
      return fail(ErrorKind::too_large, "tokenizer.ggml.tokens: the tokens have too many parts",
                  "tokenizer.ggml.tokens");
    }
    MergeTable merges(cuts_.size());
    for (const TokenId id : by_rank) merges.add_rank(static_cast<Symbol>(id));
    for (const Cut& cut : cuts_) merges.add(cut.left, cut.right, cut.rank);
    return merges;
  }

 private:
  struct Cut {
    Symbol left;
    Symbol right;
    std::uint32_t rank;
  };
  // A character that is no token itself can still be a part of one.
  Symbol symbol_of(std::string_view part) {
    const TokenId id = vocabulary_.find(part);
    if (id >= 0 && is_normal(vocabulary_, id)) return as_symbol(id);
    const char32_t c = only_character(part);
    if (c == 0) return BpeAlphabet::kNone;
    if (const Symbol known = alphabet_.of_char.find(c); known != BpeAlphabet::kNone) return known;
    const auto extra = static_cast<Symbol>(alphabet_.first_extra + alphabet_.extra_chars.size());
    alphabet_.extra_chars.push_back(c);
    alphabet_.of_char.set(c, extra);
    return extra;
  }

  const Vocabulary& vocabulary_;
  BpeAlphabet& alphabet_;
  std::vector<Cut> cuts_;
};

}  // namespace

int parse_byte_token(std::string_view spelling) {
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling[5] != '>') return -1;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  const int high = digit(spelling[3]);
  const int low = digit(spelling[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool words_start_with_metaspace(const Vocabulary& vocabulary) {
  for (TokenId id = 0; static_cast<std::size_t>(id) < vocabulary.size(); ++id) {
    if (vocabulary.kind(id) == TokenKind::control) continue;
    std::string_view rest = vocabulary.spelling(id);
    while (rest.starts_with(kMetaspace)) rest.remove_prefix(kMetaspace.size());
    if (rest.contains(kMetaspace)) return false;
  }
  return true;
}

Result<std::unique_ptr<Bpe>> build_byte_bpe(const Vocabulary& vocabulary,
                                            std::span<const MergeSpelling> merges,
                                            const BpeOptions& options, const std::string& field) {
  auto table = resolve_merges(vocabulary, merges, field);
  if (!table) return pass(table);
  BpeAlphabet alphabet;
  alphabet.unknown = as_symbol(options.unknown);
  for (unsigned byte = 0; byte < 256; ++byte) {
    alphabet.of_byte[byte] = byte_symbol(vocabulary, byte, {});
    alphabet.of_last_byte[byte] = byte_symbol(vocabulary, byte, options.end_of_word_suffix);
  }
  return std::make_unique<Bpe>(std::move(alphabet), std::move(*table),
                               whole_words(vocabulary, options.end_of_word_suffix, true),
                               vocabulary.size(), options.ignore_merges);
}

Result<std::unique_ptr<Bpe>> build_char_bpe(const Vocabulary& vocabulary,
                                            std::span<const MergeSpelling> merges,
                                            const BpeOptions& options, const std::string& field) {
  auto table = resolve_merges(vocabulary, merges, field);
  if (!table) return pass(table);
  return std::make_unique<Bpe>(char_alphabet(vocabulary, options), std::move(*table),
                               whole_words(vocabulary, {}, false), vocabulary.size(),
                               options.ignore_merges);
}

Result<std::unique_ptr<Bpe>> build_scored_bpe(const Vocabulary& vocabulary,
                                              std::span<const float> scores,
                                              const BpeOptions& options) {
  std::vector<TokenId> by_rank;
  for (TokenId id = 0; static_cast<std::size_t>(id) < vocabulary.size(); ++id) {
    const std::string_view spelling = vocabulary.spelling(id);
    const bool can_be_made = is_normal(vocabulary, id) && spelling.size() > 1 &&
                             spelling.size() <= kMaxScoredBytes && is_valid_utf8(spelling);
    if (can_be_made && only_character(spelling) == 0) by_rank.push_back(id);
  }
  std::ranges::stable_sort(by_rank, std::greater<>(),
                           [&](TokenId id) { return scores[static_cast<std::size_t>(id)]; });
  BpeAlphabet alphabet = char_alphabet(vocabulary, options);
  ScoredMerges cuts(vocabulary, alphabet);
  for (std::size_t rank = 0; rank < by_rank.size(); ++rank) {
    cuts.add_cuts_of(by_rank[rank], static_cast<std::uint32_t>(rank));
  }
  auto table = cuts.table(by_rank);
  if (!table) return pass(table);
  return std::make_unique<Bpe>(std::move(alphabet), std::move(*table),
                               whole_words(vocabulary, {}, false), vocabulary.size(), false);
}

}  // namespace millrace::text
