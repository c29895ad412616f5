// The output-side components of a tokenizer.json: decoder and post_processor.
#include "text/json_fields.h"
#include "text/json_stages.h"

namespace millrace::text {
namespace {

constexpr std::size_t kMaxStages = 32;
constexpr std::size_t kMaxTemplateTokens = 64;
constexpr std::size_t kMaxContentBytes = 16;
constexpr std::string_view kDefaultMetaspace = "\xE2\x96\x81";  // ▁

Status add_decoder(const json::value& component, const std::string& path, JsonDecoder& out) {
  const auto type = type_field(component, path);
  if (!type) return std::unexpected(type.error());
  const json::object& object = component.get_object();
  if (*type == "Sequence") {
    const auto list = array_field(object, "decoders", path);
    if (!list) return std::unexpected(list.error());
    for (std::size_t i = 0; i < (*list)->size(); ++i) {
      const std::string where = item_path(path, "decoders", i);
      if (i >= kMaxStages) return bad_field(where, "too many decoders");
      if (Status ok = add_decoder((**list)[i], where, out); !ok) return ok;
    }
  } else if (*type == "ByteLevel") {
    out.byte_level = true;
  } else if (*type == "ByteFallback") {
    out.byte_fallback = true;
  } else if (*type == "Replace") {
    auto pattern = read_pattern(object, path);
    if (!pattern) return std::unexpected(pattern.error());
    auto content = string_field(object, "content", "", path);
    if (!content) return std::unexpected(content.error());
    if (pattern->is_regex) return bad_field(path + ".pattern", "only a String is supported");
    if (content->size() > kMaxContentBytes) return bad_field(path + ".content", "too long");
    out.replacements.emplace_back(std::move(pattern->text), std::move(*content));
  } else if (*type == "Metaspace") {
    auto space = string_field(object, "replacement", std::string(kDefaultMetaspace), path);
    if (!space) return std::unexpected(space.error());
    const auto scheme = string_field(object, "prepend_scheme", "always", path);
    if (!scheme) return std::unexpected(scheme.error());
    out.strips_leading_space = *scheme != "never";
    out.replacements.emplace_back(std::move(*space), " ");
  } else if (*type == "Strip") {
    const json::value* const start = find_field(object, "start");
    out.strips_leading_space = start && start->is_int64() && start->get_int64() > 0;
  } else if (*type == "BPEDecoder") {
    auto suffix = string_field(object, "suffix", "</w>", path);
    if (!suffix) return std::unexpected(suffix.error());
    out.replacements.emplace_back(std::move(*suffix), " ");
  } else if (*type != "Fuse") {
    return bad_field(path + ".type", quoted(*type) + " is not supported");
  }
  return {};
}

Result<TokenId> read_token_id(const json::value* value, const std::string& path) {
  if (!value || !value->is_int64()) return bad_field(path, "not a token id");
  const std::int64_t id = value->get_int64();
  if (id < 0 || static_cast<std::uint64_t>(id) >= kMaxVocabulary) {
    return bad_field(path, "a token id out of range");
  }
  return static_cast<TokenId>(id);
}

// The ids that {"SpecialToken": {"id": name}} stands for.
Status append_special(const json::object& component, std::string_view name, const std::string& path,
                      std::vector<TokenId>& out) {
  const std::string where = path + ".special_tokens";
  const json::value* const tokens = find_field(component, "special_tokens");
  const json::value* const token =
      tokens && tokens->is_object() ? find_field(tokens->get_object(), name) : nullptr;
  if (!token || !token->is_object()) return bad_field(where, quoted(name) + " is missing");
  const auto ids = array_field(token->get_object(), "ids", where);
  if (!ids) return std::unexpected(ids.error());
  for (const json::value& value : **ids) {
    const auto id = read_token_id(&value, where + ".ids");
    if (!id) return std::unexpected(id.error());
    if (out.size() >= kMaxTemplateTokens) return bad_field(where, "more than 64 tokens");
    out.push_back(*id);
  }
  return {};
}

Result<JsonPostProcessor> read_template(const json::object& object, const std::string& path) {
  const auto single = array_field(object, "single", path);
  if (!single) return std::unexpected(single.error());
  JsonPostProcessor out;
  int num_texts = 0;
  for (std::size_t i = 0; i < (*single)->size(); ++i) {
    const std::string where = item_path(path, "single", i);
    const json::object* const item = (**single)[i].if_object();
    if (!item) return bad_field(where, "not an object");
    if (find_field(*item, "Sequence")) {
      ++num_texts;
      continue;
    }
    const json::value* const special = find_field(*item, "SpecialToken");
    if (!special || !special->is_object()) return bad_field(where, "not a SpecialToken");
    const auto name = string_field(special->get_object(), "id", "", where);
    if (!name) return std::unexpected(name.error());
    Status ok = append_special(object, *name, path, num_texts > 0 ? out.after : out.before);
    if (!ok) return std::unexpected(ok.error());
  }
  if (num_texts != 1) return bad_field(path + ".single", "the text must stand in it once");
  return out;
}

// {"cls": ["<s>", 0], "sep": ["</s>", 2]}
Result<JsonPostProcessor> read_cls_and_sep(const json::object& object, const std::string& path) {
  JsonPostProcessor out;
  for (const char* const name : {"cls", "sep"}) {
    const auto pair = array_field(object, name, path);
    if (!pair) return std::unexpected(pair.error());
    const auto id = read_token_id((*pair)->if_contains(1), path + "." + name);
    if (!id) return std::unexpected(id.error());
    (std::string_view(name) == "cls" ? out.before : out.after).push_back(*id);
  }
  return out;
}

}  // namespace

Result<JsonDecoder> read_decoder(const json::value& component, const std::string& path) {
  JsonDecoder decoder;
  if (const Status ok = add_decoder(component, path, decoder); !ok) {
    return std::unexpected(ok.error());
  }
  return decoder;
}

Result<JsonPostProcessor> read_post_processor(const json::value& component,
                                              const std::string& path) {
  const auto type = type_field(component, path);
  if (!type) return std::unexpected(type.error());
  const json::object& object = component.get_object();
  if (*type == "ByteLevel") return JsonPostProcessor{};
  if (*type == "TemplateProcessing") return read_template(object, path);
  if (*type == "RobertaProcessing" || *type == "BertProcessing") {
    return read_cls_and_sep(object, path);
  }
  if (*type != "Sequence") return bad_field(path + ".type", quoted(*type) + " is not supported");
  const auto list = array_field(object, "processors", path);
  if (!list) return std::unexpected(list.error());
  JsonPostProcessor out;
  for (std::size_t i = 0; i < (*list)->size(); ++i) {
    const std::string where = item_path(path, "processors", i);
    if (i >= kMaxStages) return bad_field(where, "too many processors");
    auto inner = read_post_processor((**list)[i], where);
    if (!inner) return inner;
    out.before.insert(out.before.begin(), inner->before.begin(), inner->before.end());
    out.after.insert(out.after.end(), inner->after.begin(), inner->after.end());
    if (out.before.size() + out.after.size() > kMaxTemplateTokens) {
      return bad_field(where, "more than 64 tokens");
    }
  }
  return out;
}

}  // namespace millrace::text
