// The ceiling of any HTTP server on this machine: one thread, epoll, no parsing beyond the end of a
// request whose size is known, and the same bytes as the answer each time. usage: bare_echo PORT
// REQUEST_BYTES ANSWER_BODY_BYTES
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

void serve(int listener, std::size_t request_bytes, const std::string& answer) {
  static std::size_t received[4096];
  static char buffer[1 << 18];
  const int epoll = epoll_create1(0);
  epoll_event event{.events = EPOLLIN, .data = {.fd = listener}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    epoll_event events[64];
    const int n = epoll_wait(epoll, events, 64, -1);
    for (int i = 0; i < n; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener) {
        const int peer = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        const int one = 1;
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        received[peer] = 0;
        epoll_event in{.events = EPOLLIN, .data = {.fd = peer}};
        epoll_ctl(epoll, EPOLL_CTL_ADD, peer, &in);
        continue;
      }
      const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0) {
        close(fd);
        continue;
      }
      received[fd] += static_cast<std::size_t>(got);
      if (received[fd] < request_bytes) continue;
      received[fd] = 0;
      if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) close(fd);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[1])));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || listen(listener, 64) != 0)
    return 1;
  const std::size_t body = static_cast<std::size_t>(std::atol(argv[3]));
  serve(listener, static_cast<std::size_t>(std::atol(argv[2])),
        "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body) + "\r\n\r\n" +
            std::string(body, 'x'));
}
