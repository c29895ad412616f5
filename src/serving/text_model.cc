#include "serving/text_model.h"

#include <utility>

namespace millrace::serving {
namespace {

Result<std::unique_ptr<text::Tokenizer>> build_tokenizer(const TextAssets& assets) {
  if (!assets.tokenizer_json.empty()) {
    return text::tokenizer_from_json(assets.tokenizer_json, assets.tokenizer_config_json);
  }
  if (!assets.gguf_kind.empty()) {
    return text::tokenizer_from_vocab({.kind = assets.gguf_kind,
                                       .pre = assets.gguf_pre,
                                       .tokens = assets.tokens,
                                       .scores = assets.scores,
                                       .token_types = assets.token_types,
                                       .merges = assets.merges,
                                       .bos_token = assets.bos_token,
                                       .eos_token = assets.eos_token,
                                       .unknown_token = assets.unknown_token,
                                       .add_bos = assets.add_bos,
                                       .add_eos = assets.add_eos,
                                       .add_space_prefix = assets.add_space_prefix});
  }
  if (!assets.vocab_json.empty()) {
    return text::tokenizer_from_vocab_and_merges(assets.vocab_json, assets.merges_txt);
  }
  return invalid("the model has no tokenizer files", {}, "tokenizer_missing");
}

// tokenizer_config.json holds the template as text, or as a list of named ones of which "default"
// is meant.
std::string template_of_config(const std::string& config_json) {
  if (config_json.empty()) return {};
  const auto config = parse_json(config_json);
  if (!config || !config->is_object()) return {};
  const json::value* found = config->as_object().if_contains("chat_template");
  if (!found) return {};
  if (found->is_string()) return std::string(found->as_string());
  if (!found->is_array()) return {};
  for (const json::value& entry : found->as_array()) {
    const json::object* named = entry.if_object();
    const json::value* name = named ? named->if_contains("name") : nullptr;
    const json::value* source = named ? named->if_contains("template") : nullptr;
    if (name && source && name->is_string() && source->is_string() &&
        name->as_string() == "default") {
      return std::string(source->as_string());
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<TextModel>> TextModel::build(const TextAssets& assets) {
  auto tokenizer = build_tokenizer(assets);
  if (!tokenizer) return pass(tokenizer);
  const std::string source = assets.chat_template.empty()
                                 ? template_of_config(assets.tokenizer_config_json)
                                 : assets.chat_template;
  auto chat_template = source.empty() ? Result<text::ChatTemplate>(invalid(
                                            "This model has no chat template; use /v1/completions.",
                                            "messages", "chat_template_missing"))
                                      : text::ChatTemplate::compile(source);
  return std::make_unique<TextModel>(std::move(*tokenizer), std::move(chat_template));
}

std::string TextModel::special_text(TokenId id) const {
  return id < 0 ? std::string() : std::string(tokenizer_->token_bytes(id));
}

Result<std::string> TextModel::render(const ChatPrompt& prompt, std::size_t max_bytes) const {
  if (!template_) return std::unexpected(template_.error());
  json::array messages;
  for (const ChatMessage& message : prompt.messages) {
    json::object entry = message.extra;
    entry["role"] = message.role;
    entry["content"] = message.content;
    messages.push_back(std::move(entry));
  }
  json::object context;
  context["messages"] = std::move(messages);
  // Absent rather than empty: templates ask whether tools are defined.
  if (!prompt.tools.empty()) context["tools"] = prompt.tools;
  context["add_generation_prompt"] = prompt.add_generation_prompt;
  context["bos_token"] = special_text(tokenizer_->bos_token());
  context["eos_token"] = special_text(tokenizer_->eos_token());
  auto rendered = template_->render(context, {.max_output_bytes = max_bytes});
  if (!rendered || !prompt.continue_final_message) return rendered;
  // What the template puts after the last message's text (its end mark) goes.
  const std::string& last = prompt.messages.back().content;
  const std::size_t at = last.empty() ? std::string::npos : rendered->rfind(last);
  if (at == std::string::npos) {
    return invalid("continue_final_message needs a last message that the template shows unchanged.",
                   "continue_final_message", "invalid_value");
  }
  rendered->resize(at + last.size());
  return rendered;
}

}  // namespace millrace::serving
