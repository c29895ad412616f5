// An HTTP/1.1 client for measuring servers: N keep-alive connections, each sends the same request
// again as soon as it has its answer. With RATE, requests arrive by chance instead, so many a
// second, each waits for a free connection, and its time counts from its arrival. One thread,
// epoll, no copies beyond the socket's. usage: http_load PORT CONNECTIONS SECONDS TARGET
// HEADER_FILE BODY_FILE [RATE]        prints one line of JSON HEADER_FILE: header lines for the
// request (CRLF each); Host and Content-Length are added. Every answer must be a 200.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "http_load: %s\n", why.c_str());
  std::exit(1);
}

std::string file_text(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) die(std::string("cannot read ") + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Connection {
  int fd = -1;
  std::size_t sent = 0;
  std::string head;           // of the answer, until its end is seen
  long body_left = -1;        // -1: the head is not whole yet
  unsigned events = EPOLLIN;  // what epoll was told to wait for
  Clock::time_point started{};
};

struct Load {
  std::string request;
  Clock::time_point count_from{}, end{};
  std::vector<float> latencies_us;
  int epoll = -1;
  double rate = 0;                        // 0: a closed loop
  Clock::time_point next{};               // arrival
  std::deque<Clock::time_point> waiting;  // arrived, not sent
  std::vector<Connection*> idle;
  std::mt19937 random{1};

  // What has arrived goes out where a connection is free. The nanoseconds until the next arrival.
  long send_arrived() {
    if (rate <= 0) return 100'000'000;
    const auto now = Clock::now();
    std::exponential_distribution<double> gap(rate);
    for (; next <= now; next += std::chrono::nanoseconds(static_cast<long>(gap(random) * 1e9)))
      waiting.push_back(next);
    for (; !waiting.empty() && !idle.empty(); waiting.pop_front(), idle.pop_back()) {
      begin(*idle.back());
      idle.back()->started = waiting.front();
    }
    return std::chrono::nanoseconds(next - now).count();
  }

  void want(Connection& c, unsigned events) {
    if (std::exchange(c.events, events) == events) return;
    epoll_event event{.events = events, .data = {.ptr = &c}};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c.fd, &event);
  }

  void begin(Connection& c) {
    c.sent = 0;
    c.head.clear();
    c.body_left = -1;
    c.started = Clock::now();
    send_more(c);
  }

  void send_more(Connection& c) {
    while (c.sent < request.size()) {
      const ssize_t n = send(c.fd, request.data() + c.sent, request.size() - c.sent, MSG_NOSIGNAL);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) return want(c, EPOLLIN | EPOLLOUT);
      if (n <= 0) die("the server closed a connection");
      c.sent += static_cast<std::size_t>(n);
      if (c.sent == request.size()) want(c, EPOLLIN);
    }
  }

  // True when the answer is whole.
  bool take(Connection& c, const char* data, std::size_t size) {
    if (c.body_left < 0) {
      c.head.append(data, size);
      const auto end = c.head.find("\r\n\r\n");
      if (end == std::string::npos) return false;
      if (!c.head.starts_with("HTTP/1.1 200")) die("answer: " + c.head.substr(0, 400));
      std::string lower = c.head.substr(0, end);
      std::ranges::transform(lower, lower.begin(), [](unsigned char x) { return std::tolower(x); });
      const auto at = lower.find("content-length:");
      if (at == std::string::npos) die("an answer without Content-Length");
      c.body_left = std::atol(lower.c_str() + at + 15);
      size = c.head.size() - end - 4;
    }
    c.body_left -= static_cast<long>(size);
    return c.body_left <= 0;
  }

  void receive(Connection& c) {
    static char buffer[1 << 18];
    for (;;) {
      const ssize_t n = recv(c.fd, buffer, sizeof buffer, 0);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (n <= 0) die("the server closed a connection");
      if (take(c, buffer, static_cast<std::size_t>(n))) break;
    }
    const auto now = Clock::now();
    if (c.started >= count_from && now <= end) {
      latencies_us.push_back(std::chrono::duration<float, std::micro>(now - c.started).count());
    }
    if (rate > 0) {
      idle.push_back(&c);
    } else if (now < end) {
      begin(c);
    }
  }
};

int connected(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) die("cannot connect");
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

float quantile(const std::vector<float>& sorted, double q) {
  return sorted.empty()
             ? 0
             : sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7 && argc != 8)
    die("usage: http_load PORT CONNECTIONS SECONDS TARGET HEADER_FILE BODY_FILE [RATE]");
  const int port = std::atoi(argv[1]);
  const double seconds = std::atof(argv[3]);
  const std::string body = file_text(argv[6]);
  Load load;
  if (argc == 8) load.rate = std::atof(argv[7]);
  load.request = "POST " + std::string(argv[4]) +
                 " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
                 "\r\n" + file_text(argv[5]) + "\r\n" + body;
  load.epoll = epoll_create1(0);
  std::vector<Connection> connections(static_cast<std::size_t>(std::atoi(argv[2])));
  const auto start = Clock::now();
  load.count_from = start + std::chrono::duration_cast<Clock::duration>(
                                std::chrono::duration<double>(seconds * 0.2));
  load.end = load.count_from +
             std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  for (Connection& c : connections) {
    c.fd = connected(port);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &c}};
    epoll_ctl(load.epoll, EPOLL_CTL_ADD, c.fd, &event);
    const int flags = fcntl(c.fd, F_GETFL);
    fcntl(c.fd, F_SETFL, flags | O_NONBLOCK);
    if (load.rate > 0) {
      load.idle.push_back(&c);
    } else {
      load.begin(c);
    }
  }
  load.next = Clock::now();
  while (Clock::now() < load.end) {
    epoll_event events[64];
    const timespec at_most{.tv_sec = 0,
                           .tv_nsec = std::clamp(load.send_arrived(), 0L, 100'000'000L)};
    const int n = epoll_pwait2(load.epoll, events, 64, &at_most, nullptr);
    for (int i = 0; i < n; ++i) {
      auto& c = *static_cast<Connection*>(events[i].data.ptr);
      if (events[i].events & EPOLLOUT) load.send_more(c);
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) load.receive(c);
    }
  }
  auto& all = load.latencies_us;
  std::ranges::sort(all);
  std::printf(
      "{\"requests_per_second\": %.6g, \"p50_us\": %.6g, \"p99_us\": %.6g, \"requests\": %zu}\n",
      static_cast<double>(all.size()) / seconds, quantile(all, 0.5), quantile(all, 0.99),
      all.size());
}
