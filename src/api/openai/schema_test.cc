#include "api/openai/schema.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "api/fake_server.h"
#include "api/openai/chat.h"
#include "api/openai/completions.h"
#include "api/openai/text_fields.h"

namespace millrace::api {
namespace {

struct Row {
  std::string name;
  const Range* range;  // null unless the field is a number
  bool integer;
  bool boolean;
};

template <class R>
void add_rows(std::span<const Field<R>> fields, std::vector<Row>& rows) {
  for (const auto& field : fields) {
    const bool integer = std::holds_alternative<typename Field<R>::SetInteger>(field.set);
    const bool number = integer || std::holds_alternative<typename Field<R>::SetNumber>(field.set);
    const bool boolean = std::holds_alternative<typename Field<R>::SetBoolean>(field.set);
    rows.push_back({std::string(field.name), number ? &field.range : nullptr, integer, boolean});
  }
}

// Whether `text`, a JSON value, is one that the row's declaration takes.
bool allowed(const Row& row, const std::string& text) {
  if (text == "null") return true;
  if (row.boolean) return text == "true" || text == "false";
  const auto value = parse_json(text);
  if (!row.range || !value || !value->is_number()) return false;
  const auto number = value->to_number<double>();
  if (row.integer && number != std::floor(number)) return false;
  if (row.integer && std::abs(number) >= 0x1p63) return false;
  return number <= row.range->max &&
         (row.range->open_min ? number > row.range->min : number >= row.range->min);
}

const std::vector<std::string> kNasty = {"-1",
                                         "0",
                                         "-2147483649",
                                         "2147483648",
                                         "9007199254740993",
                                         "9223372036854775808",
                                         "1e300",
                                         "1.5",
                                         "\"1\"",
                                         "null",
                                         "true",
                                         "[]",
                                         "{}",
                                         "-0.5"};

// Valid combinations that other rules refuse: they say so with the field's name, too.
class SchemaTest : public testing::Test {
 protected:
  void check(const std::vector<Row>& rows, const std::string& path, const std::string& start) {
    int refused = 0;
    for (const Row& row : rows) {
      if (!row.range && !row.boolean) continue;
      std::vector<std::string> values = kNasty;
      if (row.range && !std::isinf(row.range->max) && row.range->max < 1e15) {
        values.push_back(fmt::format("{}", row.range->max + 1));
      }
      for (const std::string& value : values) {
        const std::string body = start + fmt::format(R"(,"{}":{}}})", row.name, value);
        const Answer answer = server.post(path, body);
        const auto context = fmt::format("{} = {}: {}", row.name, value, answer.body);
        if (allowed(row, value)) {
          EXPECT_NE(answer.status, 500) << context;
          continue;
        }
        ++refused;
        ASSERT_EQ(answer.status, 400) << context;
        EXPECT_EQ(answer.error("param"), row.name) << context;
        EXPECT_EQ(answer.error("type"), "invalid_request_error") << context;
        const std::string code = answer.error("code");
        EXPECT_TRUE(code == "invalid_type" || code == "value_out_of_range") << context;
      }
    }
    EXPECT_GT(refused, 200) << "the table must have been walked";
  }
  FakeServer server;
};

TEST_F(SchemaTest, EveryChatNumberIsGuarded) {
  std::vector<Row> rows;
  add_rows(text_fields(), rows);
  add_rows(chat_fields(), rows);
  check(rows, "/v1/chat/completions", std::string(R"({"model":"m",)") + kHello);
}

TEST_F(SchemaTest, EveryCompletionNumberIsGuarded) {
  std::vector<Row> rows;
  add_rows(text_fields(), rows);
  add_rows(completion_fields(), rows);
  check(rows, "/v1/completions", R"({"model":"m","prompt":"Hi")");
}

// Bodies put together at random from known names and nasty values: whatever is accepted is within
// every range when it reaches the model, whatever is not says which field.
TEST_F(SchemaTest, RandomBodiesAreRefusedOrInRange) {
  std::vector<std::string> names = {"messages", "prompt", "tool_choice", "tools"};
  for (const auto& field : text_fields()) names.emplace_back(field.name);
  for (const auto& field : chat_fields()) names.emplace_back(field.name);
  for (const auto& refusal : refusals()) names.emplace_back(refusal.name);
  std::vector<std::string> values = kNasty;
  for (const char* value :
       {"2", "0.7", "[1]", R"(["a"])", R"({"1":2})", R"("")", R"("\u0000")", "[[1]]",
        R"([{"role":"user","content":"x"}])", R"({"type":"text"})", "false", "1e-9"}) {
    values.emplace_back(value);
  }
  std::mt19937 random(5);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string body = std::string(R"({"model":"m",)") + kHello;
    std::set<std::string> used = {"messages"};
    for (int i = static_cast<int>(random() % 4); i >= 0; --i) {
      const std::string& name = names[random() % names.size()];
      if (!used.insert(name).second) continue;
      body += fmt::format(R"(,"{}":{})", name, values[random() % values.size()]);
    }
    const auto before = server.generator().requests().size();
    const Answer answer = server.post("/v1/chat/completions", body + "}");
    if (answer.status != 200) {
      ++refused;
      ASSERT_EQ(answer.status, 400) << body << answer.body;
      EXPECT_NE(answer.error("param"), "null") << body;
      EXPECT_NE(answer.error("code"), "null") << body;
      continue;
    }
    ++accepted;
    const auto requests = server.generator().requests();
    ASSERT_GT(requests.size(), before);
    const SamplingParams& s = requests.back().sampling;
    EXPECT_TRUE(s.temperature >= 0 && s.temperature <= 2 && s.top_p > 0 && s.top_p <= 1) << body;
    EXPECT_TRUE(s.top_k >= 0 && s.min_p >= 0 && s.min_p <= 1 && s.repetition_penalty > 0) << body;
    EXPECT_TRUE(s.max_tokens >= 1 && s.max_tokens < 512 && s.min_tokens <= s.max_tokens) << body;
    EXPECT_TRUE(s.num_logprobs >= -1 && s.num_logprobs <= 20 && s.num_prompt_logprobs == -1)
        << body;
    EXPECT_LE(std::abs(s.presence_penalty), 2) << body;
  }
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 400);
}

TEST(Schema, FieldsAreDeclaredOnceAndExplained) {
  std::vector<Row> rows;
  add_rows(text_fields(), rows);
  add_rows(chat_fields(), rows);
  std::set<std::string> names;
  for (const Row& row : rows) EXPECT_TRUE(names.insert(row.name).second) << row.name;
  for (const auto& field : text_fields()) EXPECT_FALSE(field.help.empty()) << field.name;
  for (const auto& field : chat_fields()) EXPECT_FALSE(field.help.empty()) << field.name;
  for (const auto& field : completion_fields()) EXPECT_FALSE(field.help.empty()) << field.name;
}

TEST(Schema, ReadsNumbers) {
  EXPECT_EQ(read_integer("f", json::value(3.0), {}), 3);
  EXPECT_EQ(read_integer("f", json::value(3.5), {}).error().code, "invalid_type");
  EXPECT_EQ(read_integer("f", json::value(1e300), {}).error().code, "value_out_of_range");
  EXPECT_EQ(read_integer("f", json::value(7), {.min = 0, .max = 7}), 7);
  EXPECT_EQ(read_number("f", json::value(0), {.min = 0, .max = 1, .open_min = true}).error().code,
            "value_out_of_range");
  EXPECT_EQ(read_string("f", json::value("abc"), {.min = 1, .max = 2}).error().param, "f");
  EXPECT_EQ(wrong_type("f", "a string", json::value(nullptr)).error().message,
            "Invalid type for 'f': expected a string, but got null instead.");
}

}  // namespace
}  // namespace millrace::api
