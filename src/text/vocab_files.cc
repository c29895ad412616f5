// tokenizer_from_vocab_and_merges: GPT-2's own two files, as the table that GGUF would hold.
#include <algorithm>
#include <string>

#include "text/json_fields.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace millrace::text {
namespace {

constexpr std::string_view kEndOfText = "<|endoftext|>";

Status read_vocabulary(std::string_view vocab_json, VocabTable& table) {
  const std::string field = "vocab.json";
  const auto document = parse_json(vocab_json, {.max_bytes = std::size_t{64} << 20,
                                                .max_keys_per_object = kMaxVocabulary,
                                                .max_values = 2 * kMaxVocabulary});
  if (!document) return bad_field(field, document.error().message);
  if (!document->is_object()) return bad_field(field, "not an object");
  for (const auto& [spelling, value] : document->get_object()) {
    const std::int64_t id = value.is_int64() ? value.get_int64() : -1;
    if (id < 0 || static_cast<std::uint64_t>(id) >= kMaxVocabulary - 1) {
      return bad_field(field, quoted(spelling) + " has no valid id");
    }
    const auto i = static_cast<std::size_t>(id);
    if (i >= table.tokens.size()) table.tokens.resize(i + 1);
    if (spelling.empty()) return bad_field(field, "a token is empty");
    if (!table.tokens[i].empty()) {
      return bad_field(field, "the id " + std::to_string(i) + " is given twice");
    }
    table.tokens[i] = std::string_view(spelling);
  }
  return {};
}

// One "left right" a line; the first line may be "#version: …".
void read_merges(std::string_view merges_txt, VocabTable& table) {
  while (!merges_txt.empty()) {
    const std::size_t end = std::min(merges_txt.find('\n'), merges_txt.size());
    std::string_view line = merges_txt.substr(0, end);
    merges_txt.remove_prefix(std::min(end + 1, merges_txt.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool is_version = table.merges.empty() && line.starts_with("#version");
    if (!line.empty() && !is_version) table.merges.emplace_back(line);
  }
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> tokenizer_from_vocab_and_merges(std::string_view vocab_json,
                                                                   std::string_view merges_txt) {
  VocabTable table{.kind = "gpt2", .pre = "gpt-2"};
  if (Status ok = read_vocabulary(vocab_json, table); !ok) return std::unexpected(ok.error());
  read_merges(merges_txt, table);
  table.token_types.assign(table.tokens.size(), 1);
  for (std::size_t i = 0; i < table.tokens.size(); ++i) {
    if (table.tokens[i] != kEndOfText) continue;
    table.token_types[i] = 3;
    table.bos_token = table.eos_token = static_cast<TokenId>(i);
  }
  auto tokenizer = tokenizer_from_vocab(std::move(table));
  if (!tokenizer) tokenizer.error().param = "vocab.json or merges.txt";
  return tokenizer;
}

}  // namespace millrace::text
