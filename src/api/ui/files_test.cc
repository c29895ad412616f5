#include "api/ui/files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "api/fake_server.h"
#include "api/ui/assets.h"
#include "api/ui/inflate.h"

namespace millrace::api {
namespace {

std::string header(const net::HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (net::equal_ignoring_case(key, name)) return value;
  }
  return {};
}

class UiFilesTest : public testing::Test {
 protected:
  net::HttpResponse get(std::string path, net::Headers headers = {}) {
    auto http = FakeServer::request("GET", std::move(path));
    http.headers = std::move(headers);
    return server.ask(std::move(http)).whole;
  }
  FakeServer server;
};

TEST_F(UiFilesTest, TheStartPageIsGuarded) {
  const auto page = get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_EQ(header(page, "Cache-Control"), "no-cache");
  EXPECT_EQ(header(page, "Content-Security-Policy"), kUiPolicy);
  EXPECT_EQ(header(page, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(header(page, "Referrer-Policy"), "no-referrer");
  EXPECT_EQ(header(page, "X-Frame-Options"), "DENY");
  EXPECT_NE(page.body.find("<title>Millrace</title>"), std::string::npos);
}

TEST_F(UiFilesTest, NothingIsInlineAndNothingComesFromElsewhere) {
  const std::string page = get("/").body;
  EXPECT_EQ(page.find("<style"), std::string::npos);
  EXPECT_EQ(page.find(" style="), std::string::npos);
  EXPECT_EQ(page.find("://"), std::string::npos);
  for (std::size_t at = page.find("<script"); at != std::string::npos;
       at = page.find("<script", at + 1)) {
    const std::string tag = page.substr(at, page.find('>', at) - at);
    EXPECT_NE(tag.find(" src=\"/assets/"), std::string::npos) << tag;
  }
}

TEST_F(UiFilesTest, EveryFileComesPlainAndCompressed) {
  for (const UiAsset& asset : ui_assets()) {
    const auto plain = get(std::string(asset.path));
    EXPECT_EQ(plain.status, 200) << asset.path;
    EXPECT_EQ(plain.body.size(), asset.size);
    EXPECT_EQ(header(plain, "Content-Encoding"), "");
    EXPECT_EQ(header(plain, "Vary"), "Accept-Encoding");
    const auto packed = get(std::string(asset.path), {{"Accept-Encoding", "br, gzip"}});
    EXPECT_EQ(header(packed, "Content-Encoding"), "gzip");
    EXPECT_EQ(inflate_gzip(packed.body, asset.size), plain.body) << asset.path;
    EXPECT_EQ(header(plain, "Cache-Control"),
              asset.immutable ? "public, max-age=31536000, immutable" : "no-cache");
  }
}

TEST_F(UiFilesTest, WhatTheBrowserHasIsNotSentAgain) {
  const std::string etag = header(get("/"), "ETag");
  ASSERT_TRUE(etag.starts_with("W/\"")) << etag;
  const auto same = get("/", {{"If-None-Match", "\"other\", " + etag}});
  EXPECT_EQ(same.status, 304);
  EXPECT_TRUE(same.body.empty());
  EXPECT_EQ(header(same, "ETag"), etag);
  EXPECT_EQ(get("/", {{"If-None-Match", etag.substr(2)}}).status, 304) << "compared weakly";
  EXPECT_EQ(get("/", {{"If-None-Match", "*"}}).status, 304);
  EXPECT_EQ(get("/", {{"If-None-Match", "\"other\""}}).status, 200);
}

TEST_F(UiFilesTest, OnlyWhatIsInTheTable) {
  for (const char* path : {"/assets/none.js", "/assets/..", "/assets/index.html"}) {
    const auto missing = get(path);
    EXPECT_EQ(missing.status, 404) << path;
    EXPECT_EQ(missing.content_type, "application/json");
  }
  EXPECT_EQ(server.router.match("GET", "/assets/").status, 404);
  EXPECT_EQ(server.router.match("GET", "/index.html").status, 404);
  EXPECT_EQ(server.router.match("POST", "/").status, 405);
}

TEST(UiAssets, FitTheBudget) {
  std::size_t total = 0;
  for (const UiAsset& asset : ui_assets()) total += asset.gzip.size();
  EXPECT_LE(total, 250'000u);
  EXPECT_EQ(std::ranges::count(ui_assets(), std::string_view("/"), &UiAsset::path), 1);
}

TEST(AcceptEncoding, Gzip) {
  for (const char* yes : {"gzip", "GZip", "deflate, gzip;q=0.5", "br ,\tgzip", "*", "x-gzip",
                          "gzip;q=1, *;q=0", "identity;q=0, *;q=0.1", "gzip ; q=0.01"}) {
    EXPECT_TRUE(accepts_gzip(yes)) << yes;
  }
  for (const char* no : {"", "br", "identity", "gzip;q=0", "gzip; q=0.000", "*;q=0", "gzipped",
                         "gzip;q=0, *", ",,,"}) {
    EXPECT_FALSE(accepts_gzip(no)) << no;
  }
}

}  // namespace
}  // namespace millrace::api
