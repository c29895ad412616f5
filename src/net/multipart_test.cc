#include "net/multipart.h"

#include <gtest/gtest.h>

#include <random>

namespace millrace::net {
namespace {

const std::string kGood =
    "--b0und\r\n"
    "Content-Disposition: form-data; name=\"model\"\r\n\r\n"
    "squeezenet\r\n"
    "--b0und \t\r\n"
    "content-disposition: FORM-DATA; filename=\"a \\\"b\\\".jpg\"; name=image\r\n"
    "Content-Type: image/jpeg\r\n\r\n"
    "\xff\xd8\r\n--b0un\r\n--"
    "\r\n--b0und\r\n"
    "Content-Disposition: form-data; name=\"empty\"\r\n\r\n"
    "\r\n--b0und--\r\nepilogue";

TEST(Multipart, PartsAsTheyWereSent) {
  const auto parts = parse_multipart(kGood, "b0und");
  ASSERT_TRUE(parts) << parts.error().message;
  ASSERT_EQ(parts->size(), 3u);
  EXPECT_EQ((*parts)[0].name, "model");
  EXPECT_EQ((*parts)[0].body, "squeezenet");
  EXPECT_FALSE((*parts)[0].file_name);
  EXPECT_EQ((*parts)[1].name, "image");
  EXPECT_EQ((*parts)[1].file_name, "a \"b\".jpg");
  EXPECT_EQ((*parts)[1].content_type, "image/jpeg");
  EXPECT_EQ((*parts)[1].body, "\xff\xd8\r\n--b0un\r\n--");
  EXPECT_EQ((*parts)[2].body, "");
}

TEST(Multipart, ABodyOfNoPartsAndOneOfNoBytes) {
  const auto none = parse_multipart("--x--", "x");
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
  // The delimiter may follow the head at once.
  const auto empty =
      parse_multipart("--x\r\nContent-Disposition: form-data; name=a\r\n\r\n--x--", "x");
  ASSERT_TRUE(empty) << empty.error().message;
  EXPECT_EQ(empty->at(0).body, "");
}

TEST(Multipart, Boundaries) {
  EXPECT_EQ(form_boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(form_boundary("Multipart/Form-Data ;charset=utf-8; BOUNDARY=\"a b\""), "a b");
  for (const char* wrong :
       {"", "multipart/form-data", "multipart/mixed; boundary=a",
        "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a",
        "multipart/form-data; boundary=\"a \"", "multipart/form-data; boundary=a b",
        "multipart/form-data; boundary=\"a\x01\"", "multipart/form-data boundary=a"}) {
    EXPECT_FALSE(form_boundary(wrong)) << wrong;
  }
  EXPECT_TRUE(form_boundary("multipart/form-data; boundary=" + std::string(70, 'a')));
  EXPECT_FALSE(form_boundary("multipart/form-data; boundary=" + std::string(71, 'a')));
}

std::string one(const std::string& head, const std::string& body = "v") {
  return "--x\r\n" + head + "\r\n\r\n" + body + "\r\n--x--";
}

TEST(Multipart, WhatIsRefused) {
  const std::string good = "Content-Disposition: form-data; name=a";
  ASSERT_TRUE(parse_multipart(one(good), "x"));
  const std::string wrong[] = {
      "",
      "preamble\r\n" + one(good),
      one("Content-Type: text/plain"),
      one("Content-Disposition: attachment; name=a"),
      one("Content-Disposition: form-data; name=\"\""),
      one("Content-Disposition: form-data; name=a; name=b"),
      one("Content-Disposition: form-data; name=\"a"),
      one("Content-Disposition: form-data; name=" + std::string(257, 'a')),
      one(good + "\r\n" + good),
      one(good + "\r\nContent-Transfer-Encoding: base64"),
      one(good + "\r\nno colon"),
      one(good + "\r\nX: a\x01"),
      one(good + "\r\n folded: a"),
      one(good + "\r\nX: " + std::string(5000, 'a')),
      "--x\r\n" + good + "\r\n\r\nv",
      "--x\r\n" + good,
      "--x" + good,
      "--x\n" + good + "\n\nv\n--x--",
  };
  for (const std::string& body : wrong) {
    const auto parts = parse_multipart(body, "x");
    ASSERT_FALSE(parts) << body;
    EXPECT_EQ(parts.error().code, "invalid_multipart");
  }
  std::string many;
  for (int i = 0; i < 65; ++i) many += "--x\r\n" + good + "\r\n\r\nv\r\n";
  EXPECT_FALSE(parse_multipart(many + "--x--", "x"));
}

// Whatever is cut off or changed, what comes back lies within the body.
TEST(Multipart, CutsAndChangesStayInside) {
  std::mt19937 random(7);
  const auto check = [](const std::string& body) {
    const auto parts = parse_multipart(body, "b0und");
    if (!parts) return false;
    for (const FormPart& part : *parts) {
      if (part.body.empty()) continue;
      EXPECT_GE(part.body.data(), body.data());
      EXPECT_LE(part.body.data() + part.body.size(), body.data() + body.size());
    }
    return true;
  };
  const std::size_t whole = kGood.find("--b0und--") + 9;
  for (std::size_t size = 0; size < whole; ++size) {
    EXPECT_FALSE(check(kGood.substr(0, size))) << size;
  }
  for (std::size_t size = whole; size <= kGood.size(); ++size) {
    EXPECT_TRUE(check(kGood.substr(0, size)));
  }
  for (int i = 0; i < 20'000; ++i) {
    std::string body = kGood;
    for (int j = 0; j < 3; ++j) body[random() % body.size()] = static_cast<char>(random() % 256);
    check(body);
  }
}

}  // namespace
}  // namespace millrace::net
