#include "loadgen/answer_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::loadgen {
namespace {

constexpr const char* kEvents = "text/event-stream; charset=utf-8";

RequestRecord read(const std::vector<std::pair<std::string, double>>& pieces, int status = 200,
                   const char* type = kEvents) {
  RequestRecord record;
  AnswerReader reader(record);
  reader.begin(status, type);
  double last = 0;
  for (const auto& [bytes, at] : pieces) {
    last = at;
    if (!reader.feed(bytes, at)) break;
  }
  reader.end(last);
  return record;
}

std::string text_event(const std::string& text) {
  return R"(data: {"choices":[{"index":0,"text":")" + text + "\"}]}\n\n";
}
const std::string kUsage =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":5,"
    "\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n";
const std::string kDone = "data: [DONE]\n\n";

TEST(AnswerReader, each_piece_of_text_has_its_time) {
  const RequestRecord record =
      read({{text_event("a"), 1}, {text_event("b") + text_event("c"), 2}, {kUsage + kDone, 3}});
  EXPECT_TRUE(record.ok());
  EXPECT_EQ(record.token_times, (std::vector<double>{1, 2, 2}));
  EXPECT_EQ(record.prompt_tokens, 9);
  EXPECT_EQ(record.cached_tokens, 4);
  EXPECT_EQ(record.output_tokens, 5);  // the server's count wins
  EXPECT_EQ(record.finished, 3);
}

TEST(AnswerReader, does_not_depend_on_how_bytes_are_split) {
  const std::string stream =
      "\xEF\xBB\xBF: ping\r\n\r\n" + text_event("a") +
      "event: message\rid: 4\rdata: {\"choices\":[{\"text\":\rdata: \"b\"}]}\r\r" +
      "retry: 10\n\n" + kUsage + kDone;
  std::vector<std::pair<std::string, double>> bytes;
  for (std::size_t i = 0; i < stream.size(); ++i)
    bytes.emplace_back(stream.substr(i, 1), static_cast<double>(i));
  for (const RequestRecord& record : {read({{stream, 0}}), read(bytes)}) {
    EXPECT_TRUE(record.ok()) << record.error_text;
    EXPECT_EQ(record.token_times.size(), 2U);
    EXPECT_EQ(record.output_tokens, 5);
  }
}

TEST(AnswerReader, a_piece_counts_when_its_event_is_whole) {
  const std::string event = text_event("a");
  const RequestRecord record =
      read({{event.substr(0, event.size() - 1), 1}, {"\n", 2}, {kDone, 3}});
  EXPECT_EQ(record.token_times, (std::vector<double>{2}));
  EXPECT_EQ(record.output_tokens, 1);  // no usage: pieces
}

TEST(AnswerReader, chat_deltas_without_content_are_no_tokens) {
  const RequestRecord record =
      read({{R"(data: {"choices":[{"delta":{"role":"assistant","content":""}}],"usage":null})"
             "\n\n",
             1},
            {R"(data: {"choices":[{"delta":{"reasoning_content":"hm"}}]})"
             "\n\n",
             2},
            {R"(data: {"choices":[{"delta":{"content":"Hi"}}]})"
             "\n\n",
             3},
            {R"(data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]})"
             "\n\n",
             4},
            {R"(data: {"choices":[{"delta":{},"finish_reason":"stop"}]})"
             "\n\n",
             5}});
  EXPECT_TRUE(record.ok());  // no [DONE], but a finish_reason
  EXPECT_EQ(record.token_times, (std::vector<double>{2, 3, 4}));
}

TEST(AnswerReader, failures_have_names) {
  const auto name = [](const RequestRecord& record) { return failure_name(record); };
  EXPECT_EQ(name(read({{text_event("a"), 1}})), "truncated");
  EXPECT_EQ(name(read({{kUsage + kDone, 1}})), "empty");
  EXPECT_EQ(name(read({{"data: {\n\n", 1}})), "malformed");
  EXPECT_EQ(name(read({{"<html>", 1}}, 200, "text/html")), "malformed");
  const RequestRecord late = read(
      {{text_event("a") + "data: {\"error\":{\"message\":\"out of memory\"}}\n\n" + kDone, 1}});
  EXPECT_EQ(name(late), "error_event");
  EXPECT_EQ(late.error_text, "out of memory");
  const RequestRecord refused =
      read({{R"({"error":{"message":"full"}})", 1}}, 503, "application/json");
  EXPECT_EQ(name(refused), "http_503");
  EXPECT_EQ(refused.error_text, "full");
  EXPECT_EQ(read({{"Bad Gateway", 1}}, 502, "text/plain").error_text, "Bad Gateway");
}

TEST(AnswerReader, events_have_a_limit) {
  const RequestRecord record = read({{"data: " + std::string(3 << 20, 'x'), 1}});
  EXPECT_EQ(failure_name(record), "malformed");
}

TEST(AnswerReader, a_whole_answer_came_at_once) {
  const RequestRecord record =
      read({{R"({"choices":[{"text":"abc","finish_reason":"length"}],)", 1},
            {R"("usage":{"prompt_tokens":3,"completion_tokens":8}})", 2}},
           200, "application/json");
  EXPECT_TRUE(record.ok());
  EXPECT_EQ(record.token_times, (std::vector<double>{2}));
  EXPECT_EQ(record.output_tokens, 8);
}

}  // namespace
}  // namespace millrace::loadgen
