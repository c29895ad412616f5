#include "net/router.h"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

void ignore(HttpRequest, std::shared_ptr<Responder>) {}

Router example() {
  Router router;
  for (const char* pattern :
       {"/", "/v1/models", "/v1/models/{model}", "/v1/models/{model}:predict",
        "/v1/models/{model}/versions/{version}:predict", "/v1/models/{model}/{verb}",
        "/v1/models/list", "/ui/{file*}", "/ui/app.js", "/v2/{a}/b", "/{x}/other"}) {
    router.add({"GET", pattern, ignore});
  }
  router.add({"POST", "/v1/models", ignore});
  router.add({"DELETE", "/v1/models/{model}", ignore});
  return router;
}

std::string pattern_of(const Router& router, std::string_view path,
                       std::string_view method = "GET") {
  const RouteMatch match = router.match(method, path);
  return match.route ? match.route->pattern : std::to_string(match.status);
}

TEST(Router, prefers_the_more_literal_pattern) {
  const Router router = example();
  EXPECT_EQ(pattern_of(router, "/"), "/");
  EXPECT_EQ(pattern_of(router, "/v1/models"), "/v1/models");
  EXPECT_EQ(pattern_of(router, "/v1/models/list"), "/v1/models/list");
  EXPECT_EQ(pattern_of(router, "/v1/models/m"), "/v1/models/{model}");
  EXPECT_EQ(pattern_of(router, "/v1/models/m:predict"), "/v1/models/{model}:predict");
  EXPECT_EQ(pattern_of(router, "/v1/models/m/versions/3:predict"),
            "/v1/models/{model}/versions/{version}:predict");
  EXPECT_EQ(pattern_of(router, "/v1/models/m/explain"), "/v1/models/{model}/{verb}");
  EXPECT_EQ(pattern_of(router, "/ui/app.js"), "/ui/app.js");
  EXPECT_EQ(pattern_of(router, "/ui/a/b/c.css"), "/ui/{file*}");
  EXPECT_EQ(pattern_of(router, "/v3/other"), "/{x}/other");
}

TEST(Router, binds_and_decodes_parts) {
  const Router router = example();
  EXPECT_EQ(router.match("GET", "/v1/models/a%2Fb:predict").params["model"], "a/b");
  const auto match = router.match("GET", "/v1/models/m/versions/3:predict");
  EXPECT_EQ(match.params["model"], "m");
  EXPECT_EQ(match.params["version"], "3");
  EXPECT_EQ(router.match("GET", "/ui/a/b%20c").params["file"], "a/b c");
  EXPECT_TRUE(router.match("GET", "/v1/models").params.empty());
}

TEST(Router, takes_paths_longer_than_any_pattern) {
  const Router router = example();
  std::string path = "/ui";
  for (int i = 0; i < 100; ++i) path += "/a";
  EXPECT_EQ(pattern_of(router, path), "/ui/{file*}");
  EXPECT_EQ(router.match("GET", path).params["file"], path.substr(4));
  EXPECT_EQ(pattern_of(router, "/v1" + path), "404");
}

TEST(Router, has_no_aliases) {
  const Router router = example();
  for (const char* path :
       {"/v1/models/", "/V1/models", "/v1/Models", "/v1%2Fmodels", "/v1/model%73", "/v1/models;x",
        "/ui", "/ui/", "v1/models", "", "*", "/v2//b", "/v2/b"}) {
    EXPECT_EQ(pattern_of(router, path), "404") << path;
  }
  EXPECT_EQ(pattern_of(router, "/v1/models/:predict"), "/v1/models/{model}");
}

TEST(Router, names_the_methods_of_a_known_path) {
  const Router router = example();
  const RouteMatch match = router.match("PUT", "/v1/models");
  EXPECT_EQ(match.route, nullptr);
  EXPECT_EQ(match.status, 405);
  EXPECT_EQ(match.allow, "GET, HEAD, POST");
  EXPECT_EQ(router.match("POST", "/v1/models/m").allow, "DELETE, GET, HEAD");
  EXPECT_EQ(router.match("get", "/").status, 405);
  EXPECT_EQ(router.match("PUT", "/none").status, 404);
  EXPECT_EQ(router.match("PUT", "/none").allow, "");
}

TEST(Router, answers_head_with_get) {
  const Router router = example();
  EXPECT_EQ(router.match("HEAD", "/v1/models").route, router.match("GET", "/v1/models").route);
  EXPECT_EQ(pattern_of(router, "/v1/models/m", "HEAD"), "/v1/models/{model}");
  Router post_only;
  post_only.add({"POST", "/a", ignore});
  EXPECT_EQ(post_only.match("HEAD", "/a").status, 405);
}

TEST(RouterDeathTest, refuses_patterns_that_are_our_bugs) {
  Router router;
  router.add({"GET", "/a/{b}", ignore});
  EXPECT_DEATH(router.add({"GET", "/a/{b}", ignore}), "broken invariant");
  EXPECT_DEATH(router.add({"GET", "a", ignore}), "broken invariant");
  EXPECT_DEATH(router.add({"GET", "/{a", ignore}), "broken invariant");
  EXPECT_DEATH(router.add({"GET", "/{a*}/b", ignore}), "broken invariant");
}

}  // namespace
}  // namespace millrace::net
