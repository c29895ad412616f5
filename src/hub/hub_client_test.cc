#include "hub/hub_client.h"

#include <gtest/gtest.h>

#include <string>

#include "hub/token.h"

namespace millrace::hub {
namespace {

TEST(HubClient, ReadsAListing) {
  const std::string sha(64, 'a'), oid(40, 'b'), commit(40, 'c');
  const std::string body = R"({"sha":")" + commit + R"(","siblings":[
      {"rfilename":"config.json","size":7,"blobId":")" +
                           oid + R"("},
      {"rfilename":"model.safetensors","size":130,"blobId":")" +
                           oid + R"(","lfs":{"sha256":")" + sha +
                           R"(","size":9000000000,"pointerSize":130}},
      {"rfilename":"bare"}, 7]})";
  auto listing = parse_listing(body, "main");
  ASSERT_TRUE(listing) << listing.error().message;
  EXPECT_EQ(listing->commit, commit);
  ASSERT_EQ(listing->files.size(), 3u);
  EXPECT_EQ(listing->files[0].checksum, checksum_of_hex(oid));
  EXPECT_EQ(listing->files[1].size, 9'000'000'000);
  EXPECT_EQ(listing->files[1].checksum, checksum_of_hex(sha));
  EXPECT_EQ(listing->files[2].size, -1);
}

TEST(HubClient, RefusesWhatIsNoListing) {
  for (const char* body : {"", "<html>", "[]", "{}", R"({"siblings":3})"})
    EXPECT_FALSE(parse_listing(body, "main")) << body;
  EXPECT_EQ(parse_listing(R"({"sha":"../x","siblings":[]})", "main")->commit, "main");
}

TEST(HubClient, AddressesAreEscaped) {
  auto hub = HubClient::make("https://h.example/", "", {}, nullptr);
  ASSERT_TRUE(hub);
  EXPECT_EQ(hub->file_url({.repository = "o/n"}, "refs/pr/1", "a b/ü?#.x"),
            "https://h.example/o/n/resolve/refs%2Fpr%2F1/a%20b/%C3%BC%3F%23.x");
}

TEST(HubClient, KeepsTheTokenFromPlainHttp) {
  EXPECT_EQ(HubClient::make("http://h.example", "t", {}, nullptr)->token(), "");
  EXPECT_EQ(HubClient::make("https://h.example", "t", {}, nullptr)->token(), "t");
  EXPECT_EQ(HubClient::make("http://127.0.0.1:1", "t", {}, nullptr)->token(), "t");
  for (const char* endpoint : {"", "h.example", "ftp://h", "https://h/?x", "https://u@h"})
    EXPECT_FALSE(HubClient::make(endpoint, "t", {}, nullptr)) << endpoint;
}

TEST(Http, Origins) {
  EXPECT_TRUE(same_origin("https://H.example/a", "https://h.example:443/b"));
  EXPECT_FALSE(same_origin("https://h.example", "http://h.example"));
  EXPECT_FALSE(same_origin("https://h.example", "https://h.example:444"));
  EXPECT_FALSE(same_origin("https://h.example", "https://h.example.evil"));
  EXPECT_FALSE(same_origin("", ""));
}

TEST(Token, Precedence) {
  const auto environment = [](const char* name) -> const char* {
    return std::string(name) == "HF_TOKEN" ? " hf_env\n" : nullptr;
  };
  const auto empty = [](const char*) -> const char* { return nullptr; };
  EXPECT_EQ(*find_token("hf_flag", environment), "hf_flag");
  EXPECT_EQ(*find_token("", environment), "hf_env");
  EXPECT_EQ(*find_token("", empty), "");
  auto bad = find_token("hf\nX-Other: 1", empty);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message.find("X-Other"), std::string::npos);
}

}  // namespace
}  // namespace millrace::hub
