#include "text/pipeline.h"

#include "text/unicode.h"

namespace millrace::text {

// One call of encode().
class TokenizerPipeline::Encoding final : private WordSink {
 public:
  Encoding(const TokenizerParts& parts, bool parse_special, std::vector<TokenId>& out)
      : parts_(parts), parse_special_(parse_special), out_(out) {}

  void text(std::string_view utf8) {
    each_piece(parts_.raw_tokens, utf8, [&](std::string_view piece, bool is_first) {
      if (parts_.normalizer.empty()) {
        normalized(piece, is_first);
      } else {
        normalized(parts_.normalizer.apply(piece), is_first);
      }
    });
  }

 private:
  // Appends the added tokens and hands on what is between them.
  template <class Handler>
  void each_piece(const AddedTokens& tokens, std::string_view text, Handler&& handle) {
    std::size_t done = 0;
    if (!tokens.empty()) {
      while (const auto match = tokens.find(text, done, parse_special_)) {
        if (match->begin > done) handle(text.substr(done, match->begin - done), done == 0);
        out_.push_back(match->id);
        done = match->end;
      }
    }
    if (done < text.size()) handle(text.substr(done), done == 0);
  }

  void normalized(std::string_view text, bool starts_text) {
    each_piece(parts_.normalized_tokens, text, [&](std::string_view piece, bool is_first) {
      prepared(piece, starts_text && is_first);
    });
  }

  void prepared(std::string_view piece, bool is_first) {
    using Prefix = PiecePreparation::Prefix;
    const PiecePreparation& preparation = parts_.preparation;
    const std::string& space = preparation.space;
    const bool replaces = space != " " && piece.contains(' ');
    const bool wants_prefix = preparation.prefix == Prefix::every_piece ||
                              (preparation.prefix == Prefix::first_piece && is_first);
    const bool has_prefix = piece.starts_with(' ') || piece.starts_with(space);
    if (!replaces && (!wants_prefix || has_prefix)) return words(piece);
    std::string text;
    text.reserve(piece.size() + piece.size() / 2 + space.size());
    if (wants_prefix && !has_prefix) text += space;
    for (const char c : piece) {
      if (c == ' ') {
        text += space;
      } else {
        text += c;
      }
    }
    words(text);
  }

  void words(std::string_view piece) {
    parts_.pretokenizer.split(piece, *this);
    flush();
  }
  void take(std::span<const std::string_view> words) override { parts_.model->encode(words, out_); }

  const TokenizerParts& parts_;
  bool parse_special_;
  std::vector<TokenId>& out_;
};

std::vector<TokenId> TokenizerPipeline::encode(std::string_view utf8,
                                               const EncodeOptions& options) const {
  std::vector<TokenId> out;
  out.reserve(utf8.size() / 3 + 8);
  if (options.add_special_tokens) out = parts_.before;
  std::string cleaned;
  if (!is_valid_utf8(utf8)) {
    cleaned = replace_invalid_utf8(utf8);
    utf8 = cleaned;
  }
  Encoding(parts_, options.parse_special_tokens, out).text(utf8);
  if (options.add_special_tokens) {
    out.insert(out.end(), parts_.after.begin(), parts_.after.end());
  }
  return out;
}

std::string_view TokenizerPipeline::token_bytes(TokenId id) const {
  const Vocabulary& vocabulary = *parts_.vocabulary;
  return vocabulary.contains(id) ? vocabulary.bytes(id) : std::string_view();
}

bool TokenizerPipeline::is_special(TokenId id) const {
  const Vocabulary& vocabulary = *parts_.vocabulary;
  if (!vocabulary.contains(id)) return false;
  const TokenKind kind = vocabulary.kind(id);
  return kind == TokenKind::control || kind == TokenKind::unknown;
}

std::optional<TokenId> TokenizerPipeline::find(std::string_view token) const {
  const TokenId id = parts_.vocabulary->find(token);
  return id < 0 ? std::nullopt : std::optional(id);
}

}  // namespace millrace::text
