#include "app/conversation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/json.h"

namespace millrace::app {
namespace {

struct Numbered {
  const char* name;
  double min, max;
  bool whole;
};

constexpr std::array<Numbered, 7> kSettings{{{"temperature", 0, 2, false},
                                             {"top_p", 1e-6, 1, false},
                                             {"min_p", 0, 1, false},
                                             {"repetition_penalty", 0.01, 10, false},
                                             {"top_k", 0, 1 << 24, true},
                                             {"seed", 0, 9e15, true},
                                             {"max_tokens", 1, 1 << 24, true}}};

std::optional<double>* real_of(ChatSettings& settings, std::string_view name) {
  if (name == "temperature") return &settings.temperature;
  if (name == "top_p") return &settings.top_p;
  return name == "min_p" ? &settings.min_p : &settings.repetition_penalty;
}

std::optional<std::int64_t>* whole_of(ChatSettings& settings, std::string_view name) {
  if (name == "top_k") return &settings.top_k;
  return name == "seed" ? &settings.seed : &settings.max_tokens;
}

const json::value* find(const json::object& object, const char* key) {
  return object.if_contains(key);
}

std::unexpected<Error> no_conversation(const char* why) {
  return invalid(fmt::format("the file is no conversation: {}", why));
}

}  // namespace

std::vector<std::string> setting_names() {
  std::vector<std::string> names;
  for (const Numbered& setting : kSettings) names.emplace_back(setting.name);
  return names;
}

Status ChatSettings::set(std::string_view name, std::string_view value) {
  const auto* known = std::ranges::find(kSettings, name, &Numbered::name);
  if (known == kSettings.end()) {
    return invalid(fmt::format("there is no setting \"{}\"; there are {}", name,
                               fmt::join(setting_names(), ", ")));
  }
  double number = 0;
  const bool none = value == "default";
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool fits =
      error == std::errc() && end == value.data() + value.size() && number >= known->min &&
      number <= known->max &&
      (!known->whole || number == static_cast<double>(static_cast<std::int64_t>(number)));
  if (!none && !fits) {
    return invalid(fmt::format("{} takes {} from {} to {}, or default", name,
                               known->whole ? "a whole number" : "a number", known->min,
                               known->max));
  }
  if (known->whole) {
    *whole_of(*this, name) = none ? std::nullopt : std::optional(static_cast<std::int64_t>(number));
  } else {
    *real_of(*this, name) = none ? std::nullopt : std::optional(number);
  }
  return {};
}

void ChatSettings::apply(SamplingParams& sampling) const {
  const auto take = [](const std::optional<double>& from, float& to) {
    if (from) to = static_cast<float>(*from);
  };
  take(temperature, sampling.temperature);
  take(top_p, sampling.top_p);
  take(min_p, sampling.min_p);
  take(repetition_penalty, sampling.repetition_penalty);
  if (top_k) sampling.top_k = static_cast<int>(*top_k);
  if (seed) sampling.seed = static_cast<std::uint64_t>(*seed);
}

std::string ChatSettings::to_text() const {
  ChatSettings copy = *this;
  std::string text;
  for (const Numbered& setting : kSettings) {
    if (setting.whole) {
      if (const auto& value = *whole_of(copy, setting.name))
        text += fmt::format("{} {}\n", setting.name, *value);
    } else if (const auto& value = *real_of(copy, setting.name)) {
      text += fmt::format("{} {}\n", setting.name, *value);
    }
  }
  return text;
}

std::vector<serving::ChatMessage> Conversation::messages() const {
  std::vector<serving::ChatMessage> all;
  if (!system.empty()) all.push_back({"system", system, {}});
  all.insert(all.end(), turns.begin(), turns.end());
  return all;
}

std::string save_conversation(const Conversation& conversation) {
  json::array messages;
  for (const auto& message : conversation.messages())
    messages.push_back({{"role", message.role}, {"content", message.content}});
  return dump_json(json::object{{"messages", std::move(messages)}}) + "\n";
}

Result<Conversation> load_conversation(std::string_view text) {
  auto value = parse_json(text);
  if (!value) return no_conversation(value.error().message.c_str());
  const json::value* messages =
      value->is_object() ? find(value->get_object(), "messages") : nullptr;
  if (!messages || !messages->is_array()) return no_conversation("it has no list \"messages\"");
  Conversation conversation;
  for (const json::value& entry : messages->get_array()) {
    const json::value* role = entry.is_object() ? find(entry.get_object(), "role") : nullptr;
    const json::value* content = entry.is_object() ? find(entry.get_object(), "content") : nullptr;
    if (!role || !content || !role->is_string() || !content->is_string())
      return no_conversation("a message lacks its role or its text");
    const std::string who(role->get_string());
    const std::string what(content->get_string());
    if (who == "system" && conversation.turns.empty()) {
      conversation.system = what;
    } else if (who == "user" || who == "assistant") {
      conversation.turns.push_back({who, what, {}});
    } else {
      return no_conversation("a message is of a role that it cannot have there");
    }
  }
  return conversation;
}

}  // namespace millrace::app
