#include "net/sse.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::net {
namespace {

std::vector<std::string> events_of(std::string_view bytes, std::size_t step) {
  SseParser parser;
  std::vector<std::string> events;
  for (std::size_t i = 0; i < bytes.size(); i += step) {
    EXPECT_TRUE(parser.feed(bytes.substr(i, step), [&](const SseEvent& event) {
      events.push_back(event.type + "|" + event.id + "|" + event.data);
      return true;
    }));
  }
  return events;
}

TEST(Sse, formats_fields_that_cannot_be_injected) {
  EXPECT_EQ(format_sse_event("{}"), "data: {}\n\n");
  EXPECT_EQ(format_sse_event(""), "data: \n\n");
  EXPECT_EQ(format_sse_event("a\nb\r\nc\rd"), "data: a\ndata: b\ndata: c\ndata: d\n\n");
  EXPECT_EQ(format_sse_event("a\n\nevent: x"), "data: a\ndata: \ndata: event: x\n\n");
  EXPECT_EQ(format_sse_event("d", "e\ndata: f", "1\r\n2"), "event: edata: f\nid: 12\ndata: d\n\n");
  EXPECT_EQ(format_sse_comment("ping"), ": ping\n\n");
  EXPECT_EQ(format_sse_comment("a\ndata: b"), ": a\n: data: b\n\n");
}

TEST(Sse, parses_by_the_standard_for_any_split) {
  const std::string stream =
      "\xEF\xBB\xBF"
      "data: one\n\n"
      ": comment\ndata:two\ndata\ndata:  three\r\n\r\n"
      "event: add\rid: 7\rdata: x\r\r"
      "event: nothing\n\n"
      "id\ndata: no id\nother: y\n\n"
      "retry: 250\ndata: [DONE]\n\n"
      "data: cut off";
  const std::vector<std::string> want = {"message||one", "message||two\n\n three", "add|7|x",
                                         "message||no id", "message||[DONE]"};
  for (const std::size_t step : {1U, 2U, 3U, 7U, 1000U}) {
    EXPECT_EQ(events_of(stream, step), want) << "in steps of " << step;
  }
}

TEST(Sse, reads_back_what_it_formats) {
  for (const std::string data :
       {"", "a", "a\nb", " leading", "\n", "\xE2\x82\xAC: x", "a\n\n\nb"}) {
    const std::string bytes = format_sse_event(data, "kind", "42");
    EXPECT_EQ(events_of(bytes, 1), std::vector<std::string>{"kind|42|" + data});
  }
}

TEST(Sse, bounds_an_event_and_stops_when_told) {
  SseParser small(10);
  const auto take = [](const SseEvent&) { return true; };
  EXPECT_TRUE(small.feed("data: 123\n\n", take));
  EXPECT_FALSE(small.feed("data: 12345\n\n", take));
  SseParser lines(20);
  EXPECT_TRUE(lines.feed("data: 1234567\n", take));
  EXPECT_FALSE(lines.feed("data: 1234567\ndata: 1", take));
  SseParser parser;
  int seen = 0;
  EXPECT_FALSE(parser.feed("data: 1\n\ndata: 2\n\n", [&](const SseEvent&) { return ++seen < 1; }));
  EXPECT_EQ(seen, 1);
}

TEST(Sse, keeps_the_retry_time_only_where_it_is_digits) {
  SseParser parser;
  const auto take = [](const SseEvent&) { return true; };
  EXPECT_EQ(parser.retry_ms(), -1);
  parser.feed("retry: 12\nretry: x\nretry: -5\nretry:\n", take);
  EXPECT_EQ(parser.retry_ms(), 12);
}

}  // namespace
}  // namespace millrace::net
