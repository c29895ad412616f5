#include "net/http_metrics.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace millrace::net {
namespace {

TEST(HttpMetrics, counts_by_route_method_and_status) {
  Router router;
  router.add({"GET", "/a/{b}", [](HttpRequest, std::shared_ptr<Responder>) {}});
  Metrics registry;
  HttpMetrics metrics(registry, router, "api");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 100; ++k) {
        metrics.observe(&router.routes()[0], "GET", k % 2 ? 200 : 503, 0.002);
        metrics.observe(nullptr, "X" + std::to_string(k), 404, 0.002);
        metrics.observe(nullptr, "POST", 7'000, 0.002);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  metrics.connection_opened();
  metrics.connection_opened();
  metrics.connection_closed();
  const std::string text = registry.expose();
  for (const char* line :
       {"http_requests_total{handler=\"/a/{b}\",method=\"GET\",status=\"200\"} 200",
        "http_requests_total{handler=\"/a/{b}\",method=\"GET\",status=\"503\"} 200",
        "http_requests_total{handler=\"none\",method=\"other\",status=\"404\"} 400",
        "http_requests_total{handler=\"none\",method=\"POST\",status=\"599\"} 400",
        "http_request_duration_seconds_count{handler=\"/a/{b}\",method=\"GET\"} 400",
        "http_request_duration_seconds_bucket{handler=\"/a/{b}\",method=\"GET\",le=\"0.001\"} 0",
        "http_open_connections{listener=\"api\"} 1"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
  EXPECT_EQ(text.find("X1"), std::string::npos) << "clients must not make labels";
}

}  // namespace
}  // namespace millrace::net
