#include "net/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace millrace::net {
namespace {

TEST(HttpServer, answers_a_get) {
  Router router;
  router.add({"GET", "/hello", [](HttpRequest, std::shared_ptr<Responder> respond) {
                respond->send({.status = 200, .body = "{}"});
              }});
  WorkerPool workers("w", 2);
  Metrics metrics;
  HttpServer server({}, router, workers, metrics);
  ASSERT_TRUE(server.start());
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string request = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
  ASSERT_EQ(::send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  char buffer[4096];
  const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
  ASSERT_GT(got, 0);
  const std::string text(buffer, static_cast<std::size_t>(got));
  EXPECT_TRUE(text.starts_with("HTTP/1.1 200 OK\r\n")) << text;
  ::close(fd);
}

}  // namespace
}  // namespace millrace::net
