#include "net/response_head.h"

#include <gtest/gtest.h>

#include <ctime>
#include <string>
#include <utility>
#include <vector>

namespace millrace::net {
namespace {

std::string without_date(std::string head) {
  const std::size_t begin = head.find("Date: ");
  head.erase(begin, head.find("\r\n", begin) + 2 - begin);
  return head;
}

TEST(ResponseHead, writes_each_framing) {
  EXPECT_EQ(without_date(
                format_response_head({.status = 200, .content_type = "a/b", .content_length = 12})),
            "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 12\r\n\r\n");
  EXPECT_EQ(without_date(format_response_head({.framing = BodyFraming::chunked, .close = true})),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(without_date(format_response_head(
                {.status = 204, .framing = BodyFraming::none, .keep_alive = true})),
            "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(
      without_date(format_response_head({.status = 299, .framing = BodyFraming::until_close})),
      "HTTP/1.1 299 Status\r\n\r\n");
}

TEST(ResponseHead, leaves_out_what_could_end_the_head_or_frame_the_body) {
  const HeaderFields headers = {{"Good", "1"},       {"A", "x\r\nB: y"},
                                {"C\r\n", "x"},      {"D", std::string("x\0", 2)},
                                {"", "x"},           {"E F", "x"},
                                {"G:", "x"},         {"content-length", "5"},
                                {"CONNECTION", "x"}, {"Transfer-Encoding", "chunked"}};
  EXPECT_EQ(without_date(format_response_head({.content_type = "a\r\nX: b", .headers = &headers})),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nGood: 1\r\n\r\n");
}

TEST(ResponseHead, dates_answers_in_the_form_of_rfc_9110) {
  const std::string head = format_response_head({});
  const std::string date = head.substr(head.find("Date: ") + 6, 29);
  std::tm parsed{};
  ASSERT_NE(::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parsed), nullptr) << date;
  EXPECT_NEAR(static_cast<double>(::timegm(&parsed)), static_cast<double>(std::time(nullptr)), 2);
}

TEST(ResponseHead, checks_request_ids) {
  EXPECT_TRUE(is_request_id("a"));
  EXPECT_TRUE(is_request_id(std::string(128, '~')));
  for (const std::string& bad :
       {std::string(), std::string(129, 'a'), std::string("a b"), std::string("a\n"),
        std::string("\x7F"), std::string("\xC3\xA9")}) {
    EXPECT_FALSE(is_request_id(bad));
  }
}

}  // namespace
}  // namespace millrace::net
