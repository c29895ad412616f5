// tokenizer_from_json: Hugging Face's tokenizer.json with a BPE model.
#include <algorithm>

#include "text/bpe_builder.h"
#include "text/byte_alphabet.h"
#include "text/json_fields.h"
#include "text/json_stages.h"
#include "text/pipeline.h"

namespace millrace::text {
namespace {

constexpr JsonLimits kTokenizerLimits{.max_bytes = std::size_t{64} << 20,
                                      .max_depth = 64,
                                      .max_keys_per_object = kMaxVocabulary,
                                      .max_values = std::size_t{16} << 20};

// The tokens by id, while the file is read. The strings belong to the JSON document.
struct JsonTokens {
  std::vector<std::string_view> spellings{};
  std::vector<TokenKind> kinds{};
  std::vector<bool> taken{};
  std::vector<bool> added{};

  // A file may have one empty token; it differs from a gap.
  bool is_free(std::size_t id) const { return id >= taken.size() || !taken[id]; }
  void set(std::size_t id, std::string_view spelling, TokenKind kind) {
    if (id >= spellings.size()) {
      spellings.resize(id + 1);
      kinds.resize(id + 1, TokenKind::unused);
      taken.resize(id + 1);
      added.resize(id + 1);
    }
    taken[id] = true;
    spellings[id] = spelling;
    kinds[id] = kind;
  }
};

struct JsonModel {
  std::vector<MergeSpelling> merges{};
  BpeOptions options{};
  std::string unknown{};
};

Result<std::size_t> read_id(const json::value* value, const std::string& where) {
  if (!value || !value->is_int64()) return bad_field(where, "the id is not a whole number");
  const std::int64_t id = value->get_int64();
  if (id < 0 || static_cast<std::uint64_t>(id) >= kMaxVocabulary - 1) {
    return bad_field(where, "the id " + std::to_string(id) + " is out of range");
  }
  return static_cast<std::size_t>(id);
}

Status read_vocabulary(const json::object& model, JsonTokens& tokens) {
  const std::string field = "model.vocab";
  const json::value* const vocab = find_field(model, "vocab");
  if (!vocab || !vocab->is_object()) return bad_field(field, "not an object");
  if (vocab->get_object().empty()) return bad_field(field, "there are no tokens");
  for (const auto& [spelling, value] : vocab->get_object()) {
    const auto id = read_id(&value, field);
    if (!id) return bad_field(field, quoted(spelling) + ": " + id.error().message);
    if (!tokens.is_free(*id)) {
      return bad_field(field, "the id " + std::to_string(*id) + " is given to " +
                                  quoted(tokens.spellings[*id]) + " and " + quoted(spelling));
    }
    tokens.set(*id, spelling, TokenKind::normal);
  }
  return {};
}

// Either "left right" or ["left", "right"].
Result<MergeSpelling> read_merge(const json::value& value, const std::string& where) {
  if (const json::array* const pair = value.if_array()) {
    const bool fits = pair->size() == 2 && (*pair)[0].is_string() && (*pair)[1].is_string();
    if (!fits) return bad_field(where, "not a pair of strings");
    return MergeSpelling{(*pair)[0].get_string(), (*pair)[1].get_string()};
  }
  if (!value.is_string()) return bad_field(where, "not a pair of strings");
  const std::string_view text = value.get_string();
  const std::size_t space = text.find(' ');
  if (space == text.npos || text.find(' ', space + 1) != text.npos) {
    return bad_field(where, "not two parts with a space between");
  }
  return MergeSpelling{text.substr(0, space), text.substr(space + 1)};
}

Status read_merges(const json::object& model, JsonModel& out) {
  const auto list = array_field(model, "merges", "model");
  if (!list) return std::unexpected(list.error());
  if ((*list)->size() >= kMaxMerges) return bad_field("model.merges", "more than 4194303 merges");
  out.merges.reserve((*list)->size());
  for (std::size_t i = 0; i < (*list)->size(); ++i) {
    auto merge = read_merge((**list)[i], "model.merges");
    if (!merge) return bad_field("model.merges[" + std::to_string(i) + "]", merge.error().message);
    out.merges.push_back(*merge);
  }
  return {};
}

Status read_options(const json::object& model, JsonModel& out) {
  const auto read_bool = [&](std::string_view name, bool& value) -> Status {
    const auto read = bool_field(model, name, false, "model");
    if (!read) return std::unexpected(read.error());
    value = *read;
    return {};
  };
  if (Status ok = read_bool("ignore_merges", out.options.ignore_merges); !ok) return ok;
  if (Status ok = read_bool("byte_fallback", out.options.byte_fallback); !ok) return ok;
  if (Status ok = read_bool("fuse_unk", out.options.fuse_unknown); !ok) return ok;
  auto suffix = string_field(model, "end_of_word_suffix", "", "model");
  if (!suffix) return std::unexpected(suffix.error());
  out.options.end_of_word_suffix = std::move(*suffix);
  auto unknown = string_field(model, "unk_token", "", "model");
  if (!unknown) return std::unexpected(unknown.error());
  out.unknown = std::move(*unknown);
  const auto prefix = string_field(model, "continuing_subword_prefix", "", "model");
  if (!prefix) return std::unexpected(prefix.error());
  if (!prefix->empty()) return bad_field("model.continuing_subword_prefix", "not supported");
  const json::value* const dropout = find_field(model, "dropout");
  const bool drops = dropout && !(dropout->is_number() && dropout->to_number<double>() == 0);
  if (drops) return bad_field("model.dropout", "only null or 0 is supported");
  return {};
}

Result<JsonModel> read_model(const json::object& file, JsonTokens& tokens) {
  const json::value* const model = find_field(file, "model");
  if (!model || !model->is_object()) return bad_field("model", "not an object");
  const json::object& object = model->get_object();
  const auto type =
      string_field(object, "type", find_field(object, "merges") ? "BPE" : "", "model");
  if (!type) return std::unexpected(type.error());
  if (*type != "BPE") return bad_field("model.type", quoted(*type) + " is not supported");
  JsonModel out;
  if (Status ok = read_vocabulary(object, tokens); !ok) return std::unexpected(ok.error());
  if (Status ok = read_merges(object, out); !ok) return std::unexpected(ok.error());
  if (Status ok = read_options(object, out); !ok) return std::unexpected(ok.error());
  return out;
}

struct JsonAddedToken {
  AddedToken token{};
  bool normalized = false;
};

Result<JsonAddedToken> read_added_token(const json::value& value, const std::string& where) {
  const json::object* const object = value.if_object();
  if (!object) return bad_field(where, "not an object");
  JsonAddedToken out;
  auto content = string_field(*object, "content", "", where);
  if (!content) return std::unexpected(content.error());
  if (content->empty()) return bad_field(where + ".content", "empty");
  out.token.content = std::move(*content);
  const auto id = read_id(find_field(*object, "id"), where + ".id");
  if (!id) return std::unexpected(id.error());
  out.token.id = static_cast<TokenId>(*id);
  for (auto [name, flag] :
       {std::pair("special", &out.token.special), std::pair("single_word", &out.token.single_word),
        std::pair("lstrip", &out.token.lstrip), std::pair("rstrip", &out.token.rstrip),
        std::pair("normalized", &out.normalized)}) {
    const auto read = bool_field(*object, name, false, where);
    if (!read) return std::unexpected(read.error());
    *flag = *read;
  }
  return out;
}

// Added tokens become part of `tokens`; one that the model has too keeps the model's id.
Result<std::vector<JsonAddedToken>> read_added_tokens(const json::object& file,
                                                      JsonTokens& tokens) {
  std::vector<JsonAddedToken> out;
  const json::value* const list = find_field(file, "added_tokens");
  if (!list) return out;
  if (!list->is_array()) return bad_field("added_tokens", "not an array");
  const json::array& items = list->get_array();
  if (items.size() > AddedTokens::kMaxTokens) return bad_field("added_tokens", "more than 65536");
  const json::object& vocab = file.at("model").at("vocab").get_object();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string where = "added_tokens[" + std::to_string(i) + "]";
    auto added = read_added_token(items[i], where);
    if (!added) return std::unexpected(added.error());
    AddedToken& token = added->token;
    if (const json::value* const known = vocab.if_contains(token.content)) {
      token.id = static_cast<TokenId>(known->get_int64());
    }
    const auto id = static_cast<std::size_t>(token.id);
    if (!tokens.is_free(id) && tokens.spellings[id] != token.content) {
      return bad_field(where + ".id", "already the id of " + quoted(tokens.spellings[id]));
    }
    tokens.set(id, items[i].at("content").get_string(),
               token.special ? TokenKind::control : TokenKind::user_defined);
    tokens.added[id] = true;
    out.push_back(std::move(*added));
  }
  return out;
}

// Everything that the file says, before the vocabulary is built.
struct JsonTokenizer {
  JsonTokens tokens{};
  JsonModel model{};
  std::vector<JsonAddedToken> added{};
  Normalizer normalizer{};
  JsonPretokenizer pretokenizer{};
  JsonDecoder decoder{};
  JsonPostProcessor post_processor{};
};

template <class Part, class Read>
Status read_component(const json::object& file, const char* name, Read read, Part& part) {
  const json::value* const component = find_field(file, name);
  if (!component) return {};
  auto result = read(*component, name);
  if (!result) return std::unexpected(std::move(result.error()));
  part = std::move(*result);
  return {};
}

Result<JsonTokenizer> read_file(const json::value& document) {
  if (!document.is_object()) return bad_field("tokenizer.json", "not an object");
  const json::object& file = document.get_object();
  JsonTokenizer out;
  auto model = read_model(file, out.tokens);
  if (!model) return std::unexpected(model.error());
  out.model = std::move(*model);
  auto added = read_added_tokens(file, out.tokens);
  if (!added) return std::unexpected(added.error());
  out.added = std::move(*added);
  Status ok = read_component(file, "normalizer", read_normalizer, out.normalizer);
  if (ok) ok = read_component(file, "pre_tokenizer", read_pretokenizer, out.pretokenizer);
  if (ok) ok = read_component(file, "decoder", read_decoder, out.decoder);
  if (ok) ok = read_component(file, "post_processor", read_post_processor, out.post_processor);
  if (!ok) return std::unexpected(ok.error());
  return out;
}

std::string replace_all(const std::string& text, const std::string& from, const std::string& to) {
  std::string out;
  std::size_t done = 0;
  for (auto at = text.find(from); at != text.npos; at = text.find(from, done)) {
    out.append(text, done, at - done);
    out += to;
    done = at + from.size();
  }
  return out.append(text, done);
}

std::string bytes_of(const JsonTokenizer& file, std::size_t id) {
  const std::string_view spelling = file.tokens.spellings[id];
  if (file.tokens.added[id]) return std::string(spelling);
  const bool over_bytes = file.pretokenizer.byte_level || file.decoder.byte_level;
  if (over_bytes) {
    const std::string& suffix = file.model.options.end_of_word_suffix;
    const bool ends_word = !suffix.empty() && spelling.ends_with(suffix);
    const auto stem = spelling.substr(0, spelling.size() - (ends_word ? suffix.size() : 0));
    std::string bytes;
    if (!ByteAlphabet::get().decode(stem, bytes)) return std::string(spelling);
    return ends_word ? bytes + " " : bytes;
  }
  if (file.decoder.byte_fallback || file.model.options.byte_fallback) {
    const int byte = parse_byte_token(spelling);
    if (byte >= 0) return std::string(1, static_cast<char>(byte));
  }
  std::string text(spelling);
  for (const auto& [from, to] : file.decoder.replacements) text = replace_all(text, from, to);
  return text;
}

Result<Vocabulary> build_vocabulary(JsonTokenizer& file) {
  std::vector<std::string> bytes(file.tokens.spellings.size());
  for (std::size_t id = 0; id < bytes.size(); ++id) bytes[id] = bytes_of(file, id);
  auto vocabulary = Vocabulary::build(file.tokens.spellings, bytes, std::move(file.tokens.kinds));
  if (!vocabulary) return bad_field("model.vocab", vocabulary.error().message);
  return vocabulary;
}

Status add_model(JsonTokenizer& file, TokenizerParts& parts) {
  BpeOptions& options = file.model.options;
  if (!file.model.unknown.empty()) {
    options.unknown = parts.vocabulary->find(file.model.unknown);
    if (options.unknown < 0) {
      return bad_field("model.unk_token", quoted(file.model.unknown) + " is not a token");
    }
  }
  const bool over_bytes = file.pretokenizer.byte_level;
  if (!over_bytes && !options.end_of_word_suffix.empty()) {
    return bad_field("model.end_of_word_suffix", "supported with ByteLevel only");
  }
  const auto build = over_bytes ? build_byte_bpe : build_char_bpe;
  auto model = build(*parts.vocabulary, file.model.merges, options, "model.merges");
  if (!model) return std::unexpected(std::move(model.error()));
  parts.model = std::move(*model);
  const bool one_word = file.pretokenizer.stages.empty() && !over_bytes;
  if (one_word && words_start_with_metaspace(*parts.vocabulary)) {
    file.pretokenizer.stages.push_back(make_metaspace_word_splitter());
  }
  parts.pretokenizer = Pretokenizer(std::move(file.pretokenizer.stages));
  return {};
}

Status add_added_tokens(JsonTokenizer& file, TokenizerParts& parts) {
  std::vector<AddedToken> raw;
  std::vector<AddedToken> normalized;
  for (JsonAddedToken& added : file.added) {
    if (!added.normalized || parts.normalizer.empty()) {
      raw.push_back(std::move(added.token));
      continue;
    }
    added.token.content = parts.normalizer.apply(added.token.content);
    if (!added.token.content.empty()) normalized.push_back(std::move(added.token));
  }
  auto raw_tokens = AddedTokens::build(std::move(raw));
  if (!raw_tokens) return bad_field("added_tokens", raw_tokens.error().message);
  auto normalized_tokens = AddedTokens::build(std::move(normalized));
  if (!normalized_tokens) return bad_field("added_tokens", normalized_tokens.error().message);
  parts.raw_tokens = std::move(*raw_tokens);
  parts.normalized_tokens = std::move(*normalized_tokens);
  return {};
}

// tokenizer_config.json names them as a string or as {"content": …}.
TokenId named_token(const json::object& config, const char* name, const Vocabulary& vocabulary) {
  const json::value* value = find_field(config, name);
  if (value && value->is_object()) value = find_field(value->get_object(), "content");
  return value && value->is_string() ? vocabulary.find(value->get_string()) : -1;
}

Status add_config(std::string_view config_json, TokenizerParts& parts) {
  if (config_json.empty()) return {};
  const auto config = parse_json(config_json, kTokenizerLimits);
  if (!config) return bad_field("tokenizer_config.json", config.error().message);
  if (!config->is_object()) return bad_field("tokenizer_config.json", "not an object");
  parts.bos_token = named_token(config->get_object(), "bos_token", *parts.vocabulary);
  parts.eos_token = named_token(config->get_object(), "eos_token", *parts.vocabulary);
  return {};
}

Status check_post_processor(const TokenizerParts& parts) {
  for (const auto* const ids : {&parts.before, &parts.after}) {
    for (const TokenId id : *ids) {
      if (!parts.vocabulary->contains(id)) {
        return bad_field("post_processor", "the id " + std::to_string(id) + " is no token");
      }
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> tokenizer_from_json(std::string_view tokenizer_json,
                                                       std::string_view config_json) {
  const auto document = parse_json(tokenizer_json, kTokenizerLimits);
  if (!document) return bad_field("tokenizer.json", document.error().message);
  auto file = read_file(*document);
  if (!file) return pass(file);
  auto vocabulary = build_vocabulary(*file);
  if (!vocabulary) return pass(vocabulary);
  TokenizerParts parts{.vocabulary = std::make_unique<Vocabulary>(std::move(*vocabulary)),
                       .normalizer = std::move(file->normalizer),
                       .preparation = file->pretokenizer.preparation,
                       .before = std::move(file->post_processor.before),
                       .after = std::move(file->post_processor.after),
                       .strips_leading_space = file->decoder.strips_leading_space};
  Status ok = add_model(*file, parts);
  if (ok) ok = add_added_tokens(*file, parts);
  if (ok) ok = add_config(config_json, parts);
  if (ok) ok = check_post_processor(parts);
  if (!ok) return std::unexpected(ok.error());
  return std::make_unique<TokenizerPipeline>(std::move(parts));
}

}  // namespace millrace::text
