#include "text/bpe.h"

#include <algorithm>

#include "text/unicode.h"
#include "text/word_cache.h"

namespace millrace::text {
namespace {

constexpr std::size_t kStackSymbols = 256;
// Longer words are cut: only texts of gigabytes have them.
constexpr std::size_t kMaxWordBytes = std::size_t{1} << 30;

std::uint32_t next_serial() {
  static std::atomic<std::uint32_t> last{0};
  return ++last;
}

}  // namespace

Bpe::Bpe(BpeAlphabet alphabet, MergeTable merges, StringIndex whole_words, std::size_t num_tokens,
         bool ignore_merges)
    : alphabet_(std::move(alphabet)),
      merges_(std::move(merges)),
      whole_words_(std::move(whole_words)),
      direct_(std::make_unique<std::atomic<Direct>[]>(num_tokens)),
      ignore_merges_(ignore_merges),
      serial_(next_serial()) {
  if (!alphabet_.over_bytes) return;
  byte_pair_ranks_.resize(256 * 256, MergeTable::kNone);
  for (std::size_t pair = 0; pair < byte_pair_ranks_.size(); ++pair) {
    const Symbol left = alphabet_.of_byte[pair >> 8];
    const Symbol right = alphabet_.of_byte[pair & 255];
    if (left == BpeAlphabet::kNone || right == BpeAlphabet::kNone) continue;
    byte_pair_ranks_[pair] = merges_.rank(left, right);
  }
}

void Bpe::encode(std::span<const std::string_view> words, std::vector<TokenId>& out) const {
  WordCache& cache = WordCache::of_this_thread();
  for (const std::string_view word : words) {
    if (word.size() > WordCache::kMaxWordBytes) {
      encode_word(word, out);
      continue;
    }
    const ShortKey key = short_key(word);
    WordCache::Pair& pair = cache.pair(key, serial_);
    const WordCache::Line& line = pair[0].holds(key, word.size(), serial_) ? pair[0] : pair[1];
    if (line.holds(key, word.size(), serial_)) {
      if (line.num_tokens == 1) {
        out.push_back(line.tokens[0]);
      } else {
        out.insert(out.end(), line.ids().begin(), line.ids().end());
      }
      continue;
    }
    const std::size_t before = out.size();
    encode_word(word, out);
    WordCache::fill(pair, key, word.size(), serial_, std::span(out).subspan(before));
  }
}

void Bpe::encode_word(std::string_view word, std::vector<TokenId>& out) const {
  const TokenId whole = whole_words_.find(word);
  if (whole < 0) return merge_word(word, out);
  if (ignore_merges_) return out.push_back(whole);
  std::atomic<Direct>& direct = direct_[static_cast<std::size_t>(whole)];
  const Direct known = direct.load(std::memory_order_relaxed);
  if (known == Direct::yes) return out.push_back(whole);
  const std::size_t before = out.size();
  merge_word(word, out);
  if (known == Direct::unasked) {
    const bool same = out.size() == before + 1 && out.back() == whole;
    direct.store(same ? Direct::yes : Direct::no, std::memory_order_relaxed);
  }
}

void Bpe::merge_word(std::string_view word, std::vector<TokenId>& out) const {
  while (word.size() > kMaxWordBytes) {
    std::size_t cut = kMaxWordBytes;
    while ((static_cast<unsigned char>(word[cut]) & 0xC0) == 0x80) --cut;
    merge_word(word.substr(0, cut), out);
    word.remove_prefix(cut);
  }
  std::array<Symbol, 2 * kStackSymbols> few;
  std::vector<Symbol> many;
  std::span<Symbol> room(few);
  if (word.size() > kStackSymbols) {
    many.resize(2 * word.size());
    room = many;
  }
  std::span<Symbol> symbols = room.first(room.size() / 2);
  const std::span<std::uint32_t> ranks = room.subspan(room.size() / 2);
  symbols = symbols.first(first_symbols(word, symbols));
  first_ranks(word, symbols, ranks);
  symbols = symbols.first(apply_merges(merges_, symbols, ranks));
  for (const Symbol symbol : symbols) append_token(symbol, out);
}

void Bpe::first_ranks(std::string_view word, std::span<const Symbol> symbols,
                      std::span<std::uint32_t> ranks) const {
  // A word's last byte may have a symbol of its own, and bytes without one may be left out.
  const bool plain = alphabet_.over_bytes && symbols.size() == word.size();
  std::size_t i = 0;
  if (plain) {
    for (; i + 2 < symbols.size(); ++i) {
      const auto left = static_cast<unsigned char>(word[i]);
      const auto right = static_cast<unsigned char>(word[i + 1]);
      ranks[i] = byte_pair_ranks_[static_cast<std::size_t>(left << 8 | right)];
    }
  }
  for (; i + 1 < symbols.size(); ++i) ranks[i] = merges_.rank(symbols[i], symbols[i + 1]);
}

std::size_t Bpe::first_symbols(std::string_view word, std::span<Symbol> symbols) const {
  return alphabet_.over_bytes ? byte_symbols(word, symbols) : char_symbols(word, symbols);
}

// Never more symbols than bytes.
std::size_t Bpe::byte_symbols(std::string_view word, std::span<Symbol> symbols) const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const auto& table = i + 1 < word.size() ? alphabet_.of_byte : alphabet_.of_last_byte;
    Symbol symbol = table[static_cast<unsigned char>(word[i])];
    if (symbol == BpeAlphabet::kNone) symbol = alphabet_.unknown;
    if (symbol != BpeAlphabet::kNone) symbols[count++] = symbol;
  }
  return count;
}

std::size_t Bpe::char_symbols(std::string_view word, std::span<Symbol> symbols) const {
  std::size_t count = 0;
  const char* p = word.data();
  const char* const end = p + word.size();
  while (p < end) {
    const char* const here = p;
    const Symbol symbol = alphabet_.of_char.find(next_char(p));
    if (symbol != BpeAlphabet::kNone) {
      symbols[count++] = symbol;
    } else {
      count = fall_back({here, p}, symbols, count);
    }
  }
  return count;
}

// The character's bytes, if there is a token for each of them, else the unknown token.
std::size_t Bpe::fall_back(std::string_view character, std::span<Symbol> symbols,
                           std::size_t count) const {
  const auto symbol_of = [&](char byte) {
    return alphabet_.of_byte[static_cast<unsigned char>(byte)];
  };
  if (std::ranges::none_of(character, [&](char b) { return symbol_of(b) == BpeAlphabet::kNone; })) {
    for (const char byte : character) symbols[count++] = symbol_of(byte);
    return count;
  }
  if (alphabet_.unknown == BpeAlphabet::kNone) return count;
  const bool fused = alphabet_.fuse_unknown && count > 0 && symbols[count - 1] == alphabet_.unknown;
  if (!fused) symbols[count++] = alphabet_.unknown;
  return count;
}

void Bpe::append_token(Symbol symbol, std::vector<TokenId>& out) const {
  if (symbol < alphabet_.first_extra) return out.push_back(static_cast<TokenId>(symbol));
  std::string character;
  append_utf8(character, alphabet_.extra_chars[symbol - alphabet_.first_extra]);
  std::array<Symbol, 4> symbols;
  const std::size_t count = fall_back(character, symbols, 0);
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<TokenId>(symbols[i]));
}

}  // namespace millrace::text
