#include "net/http_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "net/response_parser.h"

namespace millrace::net {
namespace {

std::string format_request(const ClientRequest& request, const std::string& host,
                           std::uint16_t port) {
  std::string out = request.method + " " + request.target + " HTTP/1.1\r\n";
  if (!request.headers.contains("host")) {
    const bool ipv6 = host.find(':') != std::string::npos;
    out += "Host: " + (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port) + "\r\n";
  }
  const bool sends_body = !request.body.empty() || request.method == "POST";
  if (sends_body && !request.headers.contains("content-length")) {
    out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  for (const auto& [name, value] : request.headers) out += name + ": " + value + "\r\n";
  return out + "\r\n" + request.body;
}

}  // namespace

Status HttpClient::connect(TimePoint deadline) {
  auto socket = connect_tcp(host_, port_, deadline);
  if (!socket) return pass(socket);
  socket_ = std::move(*socket);
  return {};
}

// The server closed, or sent what nobody asked for.
bool HttpClient::went_stale() {
  pollfd wait{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&wait, 1, 0) != 0;
}

Status HttpClient::send_all(std::string_view bytes, TimePoint deadline) {
  while (!bytes.empty()) {
    const ssize_t sent =
        ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      // An early answer (413, say) comes while the body is still going out.
      auto ready = wait_for_socket(socket_.get(), POLLOUT | POLLIN, deadline);
      if (!ready) return pass(ready);
      if ((*ready & POLLOUT) == 0) return {};
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return {};  // the answer may already be here
    } else if (errno != EINTR) {
      return fail(ErrorKind::unavailable, std::string("cannot send: ") + std::strerror(errno));
    }
  }
  return {};
}

Result<ClientResponse> HttpClient::receive(const ClientRequest& request, TimePoint deadline) {
  ResponseParser parser(request.method == "HEAD", request.max_body_bytes);
  std::array<char, 16384> buffer;
  while (parser.phase() != ResponseParser::Phase::done) {
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0) {
      parser.feed(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    } else if (got == 0) {
      parser.end_of_input();
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (auto ready = wait_for_socket(socket_.get(), POLLIN, deadline); !ready) return pass(ready);
      continue;
    } else if (errno != EINTR) {
      return fail(ErrorKind::unavailable, std::string("cannot receive: ") + std::strerror(errno));
    }
    if (parser.phase() == ResponseParser::Phase::failed) {
      return fail(ErrorKind::unavailable, parser.error());
    }
    const bool streams = request.on_body && parser.status() >= 200 && parser.status() < 300;
    if (streams && !parser.body().empty()) {
      const bool more = request.on_body(parser.body());
      parser.body().clear();
      if (!more) {
        close();
        break;
      }
    }
  }
  if (!parser.keep_alive()) close();
  return ClientResponse{parser.status(), std::move(parser.headers()), std::move(parser.body())};
}

Result<ClientResponse> HttpClient::perform(const ClientRequest& request) {
  const TimePoint deadline = Clock::now() + request.timeout;
  if (connected() && went_stale()) close();
  if (!connected()) {
    if (auto status = connect(deadline); !status) return pass(status);
  }
  if (auto sent = send_all(format_request(request, host_, port_), deadline); !sent) {
    close();
    return pass(sent);
  }
  auto response = receive(request, deadline);
  if (!response) close();
  return response;
}

Result<ClientResponse> HttpClient::get(std::string target) {
  return perform({.target = std::move(target)});
}

Result<ClientResponse> HttpClient::post_json(std::string target, std::string body) {
  return perform({.method = "POST",
                  .target = std::move(target),
                  .headers = {{"Content-Type", "application/json"}},
                  .body = std::move(body)});
}

}  // namespace millrace::net
