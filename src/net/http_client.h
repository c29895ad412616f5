// HttpClient: a blocking HTTP/1.1 client on one keep-alive connection, for health checks, tests and
// load. Plain TCP. One thread at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "net/http_types.h"
#include "net/socket.h"

namespace millrace::net {

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";  // path and query as they go on the wire
  Headers headers{};         // Host, Content-Length and Connection are added where absent
  std::string body{};
  std::chrono::milliseconds timeout{30'000};  // of the whole exchange, connecting included
  std::size_t max_body_bytes = std::size_t{64} << 20;
  // Given pieces of a 2xx body as they come, instead of ClientResponse::body. False: enough; the
  // connection is closed and the response returned as it is.
  std::function<bool(std::string_view)> on_body{};
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;
};

class HttpClient {
 public:
  HttpClient(std::string host, std::uint16_t port) : host_(std::move(host)), port_(port) {}

  // Connects where needed; a connection that the server closed while idle is opened anew.
  // unavailable: no connection or a broken answer; deadline_exceeded: the time-out.
  Result<ClientResponse> perform(const ClientRequest& request);
  Result<ClientResponse> get(std::string target);
  Result<ClientResponse> post_json(std::string target, std::string body);
  void close() { socket_.reset(); }
  bool connected() const { return static_cast<bool>(socket_); }

 private:
  Status connect(TimePoint deadline);
  Status send_all(std::string_view bytes, TimePoint deadline);
  Result<ClientResponse> receive(const ClientRequest& request, TimePoint deadline);
  bool went_stale();

  std::string host_;
  std::uint16_t port_;
  UniqueFd socket_;
};

}  // namespace millrace::net
