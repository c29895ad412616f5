// Tokens that are looked for in the text before the model sees it: control tokens, user-defined
// ones. One pass with an Aho-Corasick automaton, whatever the text.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace millrace::text {

// As Hugging Face's AddedToken.
struct AddedToken {
  std::string content;
  TokenId id = -1;
  bool special = false;      // skipped where special tokens are not parsed
  bool single_word = false;  // only with no word character on either side
  bool lstrip = false;       // takes the white space on its left with it
  bool rstrip = false;
};

class AddedTokens {
 public:
  static constexpr std::size_t kMaxTokens = std::size_t{1} << 16;
  static constexpr std::size_t kMaxTokenBytes = 4096;
  static constexpr std::size_t kMaxAllBytes = std::size_t{1} << 22;

  AddedTokens() = default;
  // No token may be empty or longer than kMaxTokenBytes. Of equal contents the last counts.
  static Result<AddedTokens> build(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  struct Match {
    std::size_t begin;
    std::size_t end;
    TokenId id;
  };
  // The next token in text[from, …): the one that starts first, the longest of those. None: the
  // rest of the text has no token. Call again with `from` at the match's end.
  std::optional<Match> find(std::string_view text, std::size_t from, bool parse_special) const;

 private:
  struct Node {
    std::int32_t token = -1;   // that ends here
    std::int32_t suffix = 0;   // node of the longest proper suffix that is a prefix of some token
    std::int32_t ending = -1;  // longest token that is a suffix of this node's string, itself too
    std::int32_t depth = 0;
  };
  struct Raw {
    std::size_t begin;
    std::size_t end;
    const AddedToken* token;
  };
  void link_suffixes();
  std::int32_t child(std::int32_t node, unsigned char byte) const;
  std::int32_t step(std::int32_t node, unsigned char byte) const;
  std::optional<Raw> find_raw(std::string_view text, std::size_t from) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  std::unordered_map<std::uint64_t, std::int32_t> edges_;  // node << 8 | byte → node
  std::array<std::int32_t, 256> first_{};                  // the root's children; 0: none
  int num_first_ = 0;                                      // of them
  unsigned char only_first_ = 0;                           // where there is one
};

}  // namespace millrace::text
