// tokenizer_from_vocab: GGUF's tokenizer fields.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#include <algorithm>
#include <cmath>
#include <string>

#include "text/bpe_builder.h"
#include "text/byte_alphabet.h"
#include "text/pipeline.h"

namespace millrace::text {
namespace {

constexpr std::string_view kTokensField = "tokenizer.ggml.tokens";

std::unexpected<Error> bad_field(std::string_view field, const std::string& what) {
  return invalid(std::string(field) + ": " + what, std::string(field));
}

TokenKind kind_of(const VocabTable& table, std::size_t i) {
  if (table.token_types.empty()) return TokenKind::normal;
  switch (table.token_types[i]) {
    case 2:
      return TokenKind::unknown;
    case 3:
      return TokenKind::control;
    case 4:
      return TokenKind::user_defined;
    case 5:
      return TokenKind::unused;
    case 6:
      return TokenKind::byte;
    default:
      return TokenKind::normal;
  }
}

Status check_ids(const VocabTable& table) {
  const auto fits = [&](TokenId id) {
    return id >= -1 && (id < 0 || static_cast<std::size_t>(id) < table.tokens.size());
  };
  if (!fits(table.bos_token)) return bad_field("tokenizer.ggml.bos_token_id", "no such token");
  if (!fits(table.eos_token)) return bad_field("tokenizer.ggml.eos_token_id", "no such token");
  if (!fits(table.unknown_token)) {
    return bad_field("tokenizer.ggml.unknown_token_id", "no such token");
  }
  return {};
}

Status check(const VocabTable& table) {
  if (table.kind != "gpt2" && table.kind != "llama") {
    return bad_field("tokenizer.ggml.model",
                     "the kind '" + table.kind.substr(0, 64) + "' is not supported");
  }
  if (table.tokens.empty()) return bad_field(kTokensField, "there are no tokens");
  const std::size_t count = table.tokens.size();
  if (!table.token_types.empty() && table.token_types.size() != count) {
    return bad_field("tokenizer.ggml.token_type", "not one a token");
  }
  if (table.kind == "llama") {
    if (table.scores.size() != count) return bad_field("tokenizer.ggml.scores", "not one a token");
    if (!std::ranges::all_of(table.scores, [](float s) { return std::isfinite(s); })) {
      return bad_field("tokenizer.ggml.scores", "a score is not finite");
    }
  }
  return check_ids(table);
}

std::string with_spaces(std::string_view spelling) {
  std::string out;
  for (std::size_t at = 0; at < spelling.size();) {
    if (spelling.substr(at).starts_with(kMetaspace)) {
      out += ' ';
      at += kMetaspace.size();
    } else {
      out += spelling[at++];
    }
  }
  return out;
}

// What the token adds to the output.
std::string bytes_of(const std::string& kind, std::string_view spelling, TokenKind token_kind) {
  if (kind == "gpt2") {
    std::string bytes;
    const bool spelt = token_kind == TokenKind::normal || token_kind == TokenKind::unused;
    if (spelt && ByteAlphabet::get().decode(spelling, bytes)) return bytes;
    return std::string(spelling);
  }
  if (const int byte = parse_byte_token(spelling); byte >= 0 && token_kind == TokenKind::byte) {
    return std::string(1, static_cast<char>(byte));
  }
  return token_kind == TokenKind::control ? std::string(spelling) : with_spaces(spelling);
}

Result<Vocabulary> build_vocabulary(const VocabTable& table) {
  std::vector<std::string_view> spellings(table.tokens.begin(), table.tokens.end());
  std::vector<TokenKind> kinds(spellings.size());
  std::vector<std::string> bytes(spellings.size());
  for (std::size_t i = 0; i < spellings.size(); ++i) {
    kinds[i] = kind_of(table, i);
    // A file without types (or with wrong ones) still says which tokens begin and end a text.
    const auto id = static_cast<TokenId>(i);
    const bool marks_ends = id == table.bos_token || id == table.eos_token;
    if (marks_ends && kinds[i] == TokenKind::normal) kinds[i] = TokenKind::control;
    bytes[i] = bytes_of(table.kind, spellings[i], kinds[i]);
  }
  auto vocabulary = Vocabulary::build(spellings, bytes, std::move(kinds));
  if (!vocabulary) return bad_field(kTokensField, vocabulary.error().message);
  return vocabulary;
}

Result<AddedTokens> build_added_tokens(const Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  for (TokenId id = 0; static_cast<std::size_t>(id) < vocabulary.size(); ++id) {
    const TokenKind kind = vocabulary.kind(id);
    const bool special = kind == TokenKind::control || kind == TokenKind::unknown;
    if (!special && kind != TokenKind::user_defined) continue;
    if (vocabulary.spelling(id).empty()) {
      return bad_field(kTokensField, "token " + std::to_string(id) + " is empty");
    }
    tokens.push_back(
        {.content = std::string(vocabulary.spelling(id)), .id = id, .special = special});
  }
  auto added = AddedTokens::build(std::move(tokens));
  if (!added) return bad_field(kTokensField, added.error().message);
  return added;
}

// "left right"; a spelling may begin with a space but has none inside.
Result<std::vector<MergeSpelling>> split_merges(const std::vector<std::string>& merges) {
  std::vector<MergeSpelling> out;
  out.reserve(merges.size());
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const std::string_view merge = merges[i];
    const std::size_t space = merge.find(' ', 1);
    if (space == merge.npos || space + 1 == merge.size()) {
      return bad_field("tokenizer.ggml.merges", "merge " + std::to_string(i) + " is not a pair");
    }
    out.push_back({merge.substr(0, space), merge.substr(space + 1)});
  }
  return out;
}

bool takes_any(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

// Whole words that are tokens skip the merges in these models.
bool ignores_merges(std::string_view pre) {
  return takes_any(pre, {"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "lfm2",
                         "midm-2.0", "tekken", "pixtral"});
}
// GGUF does not carry the normalizer: these models' tokenizer.json has NFC.
bool composes(std::string_view pre) {
  return takes_any(pre,
                   {"qwen2", "qwen35", "deepseek-r1-qwen", "megrez", "mpt", "olmo", "command-r"});
}

Status add_byte_bpe(const VocabTable& table, TokenizerParts& parts) {
  const std::string name = table.pre.empty() ? "default" : table.pre;
  auto pretokenizer = make_named_pretokenizer(name);
  if (!pretokenizer) return pass(pretokenizer);
  parts.pretokenizer = std::move(*pretokenizer);
  if (composes(name)) {
    auto normalizer = Normalizer::build({{.kind = NormalizerStep::Kind::form}});
    if (!normalizer) return pass(normalizer);
    parts.normalizer = std::move(*normalizer);
  }
  const auto merges = split_merges(table.merges);
  if (!merges) return std::unexpected(merges.error());
  auto model = build_byte_bpe(*parts.vocabulary, *merges, {.ignore_merges = ignores_merges(name)},
                              "tokenizer.ggml.merges");
  if (!model) return pass(model);
  parts.model = std::move(*model);
  return {};
}

Status add_sentencepiece(const VocabTable& table, TokenizerParts& parts) {
  std::vector<NormalizerStep> steps;
  if (table.add_space_prefix) {
    steps.push_back({.kind = NormalizerStep::Kind::prepend, .content = std::string(kMetaspace)});
  }
  steps.push_back(
      {.kind = NormalizerStep::Kind::replace, .literal = " ", .content = std::string(kMetaspace)});
  auto normalizer = Normalizer::build(std::move(steps));
  if (!normalizer) return pass(normalizer);
  parts.normalizer = std::move(*normalizer);
  parts.strips_leading_space = table.add_space_prefix;
  if (words_start_with_metaspace(*parts.vocabulary)) {
    std::vector<std::unique_ptr<Splitter>> stages;
    stages.push_back(make_metaspace_word_splitter());
    parts.pretokenizer = Pretokenizer(std::move(stages));
  }
  auto model = build_scored_bpe(
      *parts.vocabulary, table.scores,
      {.byte_fallback = true, .fuse_unknown = true, .unknown = table.unknown_token});
  if (!model) return pass(model);
  parts.model = std::move(*model);
  return {};
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> tokenizer_from_vocab(VocabTable table) {
  if (const Status ok = check(table); !ok) return std::unexpected(ok.error());
  auto vocabulary = build_vocabulary(table);
  if (!vocabulary) return pass(vocabulary);
  TokenizerParts parts{.vocabulary = std::make_unique<Vocabulary>(std::move(*vocabulary))};
  auto added = build_added_tokens(*parts.vocabulary);
  if (!added) return pass(added);
  parts.raw_tokens = std::move(*added);

  const bool is_llama = table.kind == "llama";
  const Status ok = is_llama ? add_sentencepiece(table, parts) : add_byte_bpe(table, parts);
  if (!ok) return std::unexpected(ok.error());
  parts.bos_token = table.bos_token;
  parts.eos_token = table.eos_token;
  const bool usually_bos = is_llama || takes_any(table.pre, {"llama3", "llama-v3", "llama-bpe"});
  if (table.add_bos.value_or(usually_bos) && table.bos_token >= 0) {
    parts.before.push_back(table.bos_token);
  }
  if (table.add_eos.value_or(false) && table.eos_token >= 0) parts.after.push_back(table.eos_token);
  return std::make_unique<TokenizerPipeline>(std::move(parts));
}

}  // namespace millrace::text
