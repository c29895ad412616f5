#include "api/openai/messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>

#include "api/errors.h"
#include "api/openai/schema.h"

namespace millrace::api {
namespace {

constexpr std::size_t kMaxMessages = 1024;
constexpr std::size_t kMaxTools = 128;
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxSchemaBytes = std::size_t{64} << 10;
constexpr int kMaxSchemaDepth = 32;

// As clients write them → as templates know them.
constexpr std::array kRoles = {
    std::pair{"system", "system"}, std::pair{"developer", "system"},
    std::pair{"user", "user"},     std::pair{"assistant", "assistant"},
    std::pair{"tool", "tool"},     std::pair{"function", "tool"},
};

std::unexpected<Error> bad(const std::string& where, std::string_view what) {
  return invalid(fmt::format("Invalid '{}': {}.", where, what), where, "invalid_value");
}

const json::value* find(const json::object& object, std::string_view key) {
  const json::value* member = object.if_contains(key);
  return member && !member->is_null() ? member : nullptr;
}

Status append_part(std::string& text, const json::value& part, const std::string& where) {
  const json::object* object = part.if_object();
  if (!object) return wrong_type(where, "an object", part);
  const json::value* type = find(*object, "type");
  if (!type) return missing(where + ".type");
  if (!type->is_string()) return wrong_type(where + ".type", "a string", *type);
  if (type->as_string() != "text") {
    return invalid(fmt::format("Invalid '{}': this model reads text only, not {}.", where,
                               safe_name(type->as_string())),
                   where, "unsupported_media");
  }
  const json::value* piece = find(*object, "text");
  if (!piece) return missing(where + ".text");
  if (!piece->is_string()) return wrong_type(where + ".text", "a string", *piece);
  if (!text.empty()) text += '\n';
  text += std::string_view(piece->as_string());
  return {};
}

Result<std::string> parse_content(const json::value& value, const std::string& where) {
  if (value.is_string()) return std::string(value.as_string());
  const json::array* parts = value.if_array();
  if (!parts) return wrong_type(where, "a string or an array of parts", value);
  if (parts->empty()) return bad(where, "an empty array");
  std::string text;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    if (auto ok = append_part(text, (*parts)[i], fmt::format("{}[{}]", where, i)); !ok) {
      return pass(ok);
    }
  }
  return text;
}

// Reads the calls an assistant made, so that later tool messages can be checked against them. Their
// arguments go to templates as the object they spell, which is what templates expect.
Status parse_tool_calls(const json::value& value, const std::string& where,
                        std::set<std::string, std::less<>>& call_ids, json::object& extra) {
  const json::array* calls = value.if_array();
  if (!calls) return wrong_type(where, "an array", value);
  if (calls->size() > kMaxTools) return bad(where, "too many calls");
  json::array kept;
  for (std::size_t i = 0; i < calls->size(); ++i) {
    const std::string place = fmt::format("{}[{}]", where, i);
    const json::object* call = (*calls)[i].if_object();
    if (!call) return wrong_type(place, "an object", (*calls)[i]);
    const json::value* id = find(*call, "id");
    if (!id) return missing(place + ".id");
    if (!id->is_string()) return wrong_type(place + ".id", "a string", *id);
    const json::value* function = find(*call, "function");
    if (!function || !function->is_object()) return bad(place + ".function", "expected an object");
    const json::value* name = find(function->as_object(), "name");
    if (!name || !name->is_string()) return bad(place + ".function.name", "expected a string");
    call_ids.emplace(id->as_string());
    json::object copy = *call;
    json::object& called = copy["function"].as_object();
    if (json::value* arguments = called.if_contains("arguments");
        arguments && arguments->is_string()) {
      auto parsed = parse_json(arguments->as_string());
      if (parsed && parsed->is_object()) *arguments = std::move(*parsed);
    }
    kept.push_back(std::move(copy));
  }
  extra["tool_calls"] = std::move(kept);
  return {};
}

class MessageParser {
 public:
  Result<serving::ChatMessage> parse(const json::value& value, const std::string& where) {
    const json::object* object = value.if_object();
    if (!object) return wrong_type(where, "an object", value);
    serving::ChatMessage message;
    if (auto ok = parse_role(*object, where, message); !ok) return pass(ok);
    if (auto ok = parse_name(*object, where, message); !ok) return pass(ok);
    bool has_calls = false;
    if (const json::value* calls = find(*object, "tool_calls");
        calls && message.role == "assistant") {
      if (auto ok = parse_tool_calls(*calls, where + ".tool_calls", call_ids_, message.extra);
          !ok) {
        return pass(ok);
      }
      has_calls = true;
    }
    if (message.role == "tool" && object->at("role").as_string() == "tool") {
      if (auto ok = parse_call_id(*object, where, message); !ok) return pass(ok);
    }
    const json::value* content = object->if_contains("content");
    if (!content && !has_calls) return missing(where + ".content");
    if (content && !(content->is_null() && has_calls)) {
      auto text = parse_content(*content, where + ".content");
      if (!text) return pass(text);
      message.content = std::move(*text);
    }
    return message;
  }

 private:
  static Status parse_role(const json::object& object, const std::string& where,
                           serving::ChatMessage& message) {
    const json::value* role = find(object, "role");
    if (!role) return missing(where + ".role");
    if (!role->is_string()) return wrong_type(where + ".role", "a string", *role);
    const auto* known =
        std::ranges::find_if(kRoles, [&](const auto& r) { return role->as_string() == r.first; });
    if (known == kRoles.end()) {
      return bad(where + ".role", fmt::format("{} is not a role", safe_name(role->as_string())));
    }
    message.role = known->second;
    return {};
  }

  static Status parse_name(const json::object& object, const std::string& where,
                           serving::ChatMessage& message) {
    const json::value* name = find(object, "name");
    if (!name) return {};
    auto text = read_string(where + ".name", *name, {.min = 1, .max = kMaxNameBytes});
    if (!text) return pass(text);
    message.extra["name"] = *text;
    return {};
  }

  Status parse_call_id(const json::object& object, const std::string& where,
                       serving::ChatMessage& message) {
    const json::value* id = find(object, "tool_call_id");
    if (!id) return missing(where + ".tool_call_id");
    if (!id->is_string()) return wrong_type(where + ".tool_call_id", "a string", *id);
    if (!call_ids_.contains(std::string_view(id->as_string()))) {
      return bad(where + ".tool_call_id", "no earlier message made that call");
    }
    message.extra["tool_call_id"] = *id;
    return {};
  }

  std::set<std::string, std::less<>> call_ids_;
};

int depth_of(const json::value& value) {
  int deepest = 0;
  if (const json::array* items = value.if_array()) {
    for (const json::value& item : *items) deepest = std::max(deepest, depth_of(item));
    return deepest + 1;
  }
  if (const json::object* members = value.if_object()) {
    for (const auto& member : *members) deepest = std::max(deepest, depth_of(member.value()));
    return deepest + 1;
  }
  return 0;
}

bool is_function_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

Status check_tool(const json::value& tool, const std::string& where) {
  const auto wrong = [&](const std::string& place, std::string_view what) {
    return invalid(fmt::format("Invalid '{}': {}.", place, what), place, "invalid_schema");
  };
  const json::object* object = tool.if_object();
  if (!object) return wrong(where, "expected an object");
  const json::value* type = find(*object, "type");
  if (!type || !type->is_string() || type->as_string() != "function") {
    return wrong(where + ".type", "only \"function\" is known");
  }
  const json::value* function = find(*object, "function");
  if (!function || !function->is_object()) return wrong(where + ".function", "expected an object");
  const json::value* name = find(function->as_object(), "name");
  if (!name || !name->is_string() || !is_function_name(name->as_string())) {
    return wrong(where + ".function.name", "expected 1 to 64 letters, digits, '_' or '-'");
  }
  if (const json::value* text = find(function->as_object(), "description");
      text && !text->is_string()) {
    return wrong(where + ".function.description", "expected a string");
  }
  const json::value* parameters = find(function->as_object(), "parameters");
  if (!parameters) return {};
  const std::string place = where + ".function.parameters";
  if (!parameters->is_object()) return wrong(place, "expected an object");
  if (depth_of(*parameters) > kMaxSchemaDepth) return wrong(place, "nested too deeply");
  if (dump_json(*parameters).size() > kMaxSchemaBytes) return wrong(place, "over 64 KiB");
  return {};
}

}  // namespace

Result<std::vector<serving::ChatMessage>> parse_messages(const json::value& value) {
  const json::array* list = value.if_array();
  if (!list) return wrong_type("messages", "an array", value);
  if (list->empty() || list->size() > kMaxMessages) {
    return invalid(fmt::format("Invalid 'messages': from 1 to {} messages.", kMaxMessages),
                   "messages", "value_out_of_range");
  }
  MessageParser parser;
  std::vector<serving::ChatMessage> messages;
  for (std::size_t i = 0; i < list->size(); ++i) {
    auto message = parser.parse((*list)[i], fmt::format("messages[{}]", i));
    if (!message) return pass(message);
    messages.push_back(std::move(*message));
  }
  return messages;
}

Result<json::array> parse_tools(const json::value& value) {
  const json::array* tools = value.if_array();
  if (!tools) return wrong_type("tools", "an array", value);
  if (tools->size() > kMaxTools) {
    return invalid(fmt::format("Invalid 'tools': at most {}.", kMaxTools), "tools",
                   "value_out_of_range");
  }
  for (std::size_t i = 0; i < tools->size(); ++i) {
    if (auto ok = check_tool((*tools)[i], fmt::format("tools[{}]", i)); !ok) return pass(ok);
  }
  return *tools;
}

Status check_tool_choice(const json::value& value) {
  if (value.is_object()) return unsupported("tool_choice", "a call cannot be forced yet");
  if (!value.is_string()) return wrong_type("tool_choice", "a string or an object", value);
  const std::string_view choice = value.as_string();
  if (choice == "none" || choice == "auto") return {};
  if (choice == "required") return unsupported("tool_choice", "a call cannot be forced yet");
  return bad("tool_choice", fmt::format("{} is not a choice", safe_name(choice)));
}

}  // namespace millrace::api
