#include "api/openai/messages.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace millrace::api {
namespace {

Result<std::vector<serving::ChatMessage>> parse(const std::string& text) {
  return parse_messages(parse_json(text).value());
}
std::string refused(const std::string& text) {
  const auto messages = parse(text);
  EXPECT_FALSE(messages) << text;
  return messages ? "" : messages.error().param + ":" + messages.error().code;
}

TEST(Messages, TextAndParts) {
  const auto messages = parse(R"([{"role":"developer","content":"a"},{"role":"user","name":"Bo",
    "content":[{"type":"text","text":"b"},{"type":"text","text":"c"}]}])");
  ASSERT_TRUE(messages);
  EXPECT_EQ((*messages)[0].role, "system");
  EXPECT_EQ((*messages)[1].content, "b\nc");
  EXPECT_EQ((*messages)[1].extra.at("name").as_string(), "Bo");
}

TEST(Messages, ToolCallsAndTheirResults) {
  const auto messages = parse(R"([{"role":"assistant","content":null,"tool_calls":[
    {"id":"c1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},
    {"role":"tool","tool_call_id":"c1","content":"7"}])");
  ASSERT_TRUE(messages);
  const auto& call = (*messages)[0].extra.at("tool_calls").at(0);
  EXPECT_EQ(call.at("function").at("arguments").at("x").as_int64(), 1)
      << "templates want an object";
  EXPECT_EQ((*messages)[1].extra.at("tool_call_id").as_string(), "c1");
}

TEST(Messages, ErrorsNameThePlace) {
  EXPECT_EQ(refused("[]"), "messages:value_out_of_range");
  EXPECT_EQ(refused("{}"), "messages:invalid_type");
  EXPECT_EQ(refused("[1]"), "messages[0]:invalid_type");
  EXPECT_EQ(refused(R"([{"content":"a"}])"), "messages[0].role:missing_required_parameter");
  EXPECT_EQ(refused(R"([{"role":"king","content":"a"}])"), "messages[0].role:invalid_value");
  EXPECT_EQ(refused(R"([{"role":5,"content":"a"}])"), "messages[0].role:invalid_type");
  EXPECT_EQ(refused(R"([{"role":"user","content":"a"},{"role":"user"}])"),
            "messages[1].content:missing_required_parameter");
  for (const char* content : {"null", "{}", "5", "true"}) {
    EXPECT_EQ(refused(fmt::format(R"([{{"role":"user","content":{}}}])", content)),
              "messages[0].content:invalid_type");
  }
  EXPECT_EQ(refused(R"([{"role":"assistant","content":null}])"),
            "messages[0].content:invalid_type");
  EXPECT_EQ(refused(R"([{"role":"user","content":[]}])"), "messages[0].content:invalid_value");
  EXPECT_EQ(refused(R"([{"role":"user","content":["a"]}])"), "messages[0].content[0]:invalid_type");
  EXPECT_EQ(refused(R"([{"role":"user","content":[{"type":"text"}]}])"),
            "messages[0].content[0].text:missing_required_parameter");
  EXPECT_EQ(
      refused(R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}])"),
      "messages[0].content[0]:unsupported_media");
  EXPECT_EQ(refused(R"([{"role":"user","content":"a","name":")" + std::string(257, 'n') + "\"}]"),
            "messages[0].name:value_out_of_range");
  EXPECT_EQ(refused(R"([{"role":"tool","content":"a","tool_call_id":"x"}])"),
            "messages[0].tool_call_id:invalid_value");
  EXPECT_EQ(refused(R"([{"role":"tool","content":"a"}])"),
            "messages[0].tool_call_id:missing_required_parameter");
}

TEST(Messages, AreCounted) {
  const auto many = [](int count) {
    std::string text = "[";
    for (int i = 0; i < count; ++i) text += R"({"role":"user","content":"a"},)";
    text.back() = ']';
    return text;
  };
  EXPECT_TRUE(parse(many(1024)));
  EXPECT_EQ(refused(many(1025)), "messages:value_out_of_range");
}

TEST(Tools, AreChecked) {
  const auto tool = [](const std::string& function) {
    return parse_json(R"([{"type":"function","function":)" + function + "}]").value();
  };
  const auto refused_tool = [](const json::value& value) {
    const auto tools = parse_tools(value);
    EXPECT_FALSE(tools);
    return tools ? "" : tools.error().param + ":" + tools.error().code;
  };
  EXPECT_TRUE(parse_tools(tool(R"({"name":"f","parameters":{"type":"object"}})")));
  EXPECT_EQ(refused_tool(parse_json("{}").value()), "tools:invalid_type");
  EXPECT_EQ(refused_tool(parse_json(R"([{"type":"x"}])").value()), "tools[0].type:invalid_schema");
  EXPECT_EQ(refused_tool(tool("{}")), "tools[0].function.name:invalid_schema");
  EXPECT_EQ(refused_tool(tool(R"({"name":"a b"})")), "tools[0].function.name:invalid_schema");
  EXPECT_EQ(refused_tool(tool(R"({"name":"f","parameters":[]})")),
            "tools[0].function.parameters:invalid_schema");
  std::string deep = "1";
  for (int i = 0; i < 33; ++i) deep = R"({"a":)" + deep + "}";
  EXPECT_EQ(refused_tool(tool(R"({"name":"f","parameters":)" + deep + "}")),
            "tools[0].function.parameters:invalid_schema");
  const std::string big = R"({"a":")" + std::string(70'000, 'x') + "\"}";
  EXPECT_EQ(refused_tool(tool(R"({"name":"f","parameters":)" + big + "}")),
            "tools[0].function.parameters:invalid_schema");
  json::array many(129, tool(R"({"name":"f"})").at(0));
  EXPECT_EQ(refused_tool(many), "tools:value_out_of_range");
}

TEST(Tools, ForcedCallsAreUnsupported) {
  EXPECT_TRUE(check_tool_choice("none"));
  EXPECT_TRUE(check_tool_choice("auto"));
  EXPECT_EQ(check_tool_choice("required").error().code, "unsupported_parameter");
  EXPECT_EQ(check_tool_choice(json::object{{"type", "function"}}).error().code,
            "unsupported_parameter");
  EXPECT_EQ(check_tool_choice("perhaps").error().code, "invalid_value");
  EXPECT_EQ(check_tool_choice(5).error().code, "invalid_type");
}

}  // namespace
}  // namespace millrace::api
