// A closed-loop client of gRPC's wire for measuring servers: N calls under way on one connection,
// each sends the same message again as soon as it has its answer. It shares the cores with what it
// measures, so it costs as little as it can: HTTP/2 is nghttp2's, messages are lent to the socket,
// and what one round has to say goes out at once. Every answer must be a message and OK.
// usage: grpc_load PORT CALLS SECONDS METHOD MESSAGE_FILE      prints one line of JSON, with the
// processor time that a call costs the client.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void give_up(std::string_view why) {
  std::fprintf(stderr, "grpc_load: %.*s\n", static_cast<int>(why.size()), why.data());
  std::exit(1);
}

struct Call {
  Clock::time_point started;
  std::size_t sent = 0, answered = 0;  // bytes
  std::string status;                  // of gRPC
};

struct Load {
  int socket = -1;
  nghttp2_session* session = nullptr;
  std::string method, message;        // the message with its five bytes before it
  std::vector<iovec> out;             // what this round says
  std::deque<std::string> own_bytes;  // of `out`
  Clock::time_point count_from, end;
  std::vector<float> latencies_us;
  double cpu_at_first = 0;

  void say(std::string bytes) {
    own_bytes.push_back(std::move(bytes));
    out.push_back({own_bytes.back().data(), own_bytes.back().size()});
  }
  void flush();
  void begin();
  void end_of(Call* call);
};

Load& of(void* user) {
  return *static_cast<Load*>(user);
}

Call* call_of(nghttp2_session* session, std::int32_t stream) {
  return static_cast<Call*>(nghttp2_session_get_stream_user_data(session, stream));
}

// This process's processor time so far.
double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

void Load::flush() {
  for (std::size_t next = 0; next < out.size();) {
    const auto count = std::min<std::size_t>(out.size() - next, IOV_MAX);
    ssize_t written = writev(socket, &out[next], static_cast<int>(count));
    if (written < 0) give_up("the connection broke");
    for (; next < out.size() && static_cast<std::size_t>(written) >= out[next].iov_len; ++next)
      written -= static_cast<ssize_t>(out[next].iov_len);
    if (next == out.size()) break;
    out[next].iov_base = static_cast<char*>(out[next].iov_base) + written;
    out[next].iov_len -= static_cast<std::size_t>(written);
  }
  out.clear();
  own_bytes.clear();
}

ssize_t take_bytes(nghttp2_session*, const std::uint8_t* data, std::size_t size, int, void* user) {
  of(user).say({reinterpret_cast<const char*>(data), size});
  return static_cast<ssize_t>(size);
}

ssize_t next_part(nghttp2_session* session, std::int32_t stream, std::uint8_t*, std::size_t room,
                  std::uint32_t* flags, nghttp2_data_source*, void* user) {
  const std::size_t left = of(user).message.size() - call_of(session, stream)->sent;
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (left <= room) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(std::min(left, room));
}

int take_part(nghttp2_session* session, nghttp2_frame* frame, const std::uint8_t* head,
              std::size_t size, nghttp2_data_source*, void* user) {
  Load& load = of(user);
  Call& call = *call_of(session, frame->hd.stream_id);
  load.say({reinterpret_cast<const char*>(head), 9});
  load.out.push_back({load.message.data() + call.sent, size});
  call.sent += size;
  return 0;
}

ssize_t most_of_a_part(nghttp2_session*, std::uint8_t, std::int32_t, std::int32_t connection,
                       std::int32_t stream, std::uint32_t frame, void*) {
  return std::min({static_cast<ssize_t>(connection), static_cast<ssize_t>(stream),
                   static_cast<ssize_t>(frame)});
}

int on_answer(nghttp2_session* session, std::uint8_t, std::int32_t stream, const std::uint8_t*,
              std::size_t size, void*) {
  call_of(session, stream)->answered += size;
  return 0;
}

int on_field(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
             std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
             void*) {
  if (std::string_view(reinterpret_cast<const char*>(name), name_size) == "grpc-status")
    call_of(session, frame->hd.stream_id)
        ->status.assign(reinterpret_cast<const char*>(value), value_size);
  return 0;
}

int on_end(nghttp2_session* session, std::int32_t stream, std::uint32_t, void* user) {
  of(user).end_of(call_of(session, stream));
  return 0;
}

void Load::begin() {
  auto* call = new Call{.started = Clock::now(), .status = {}};
  const auto field = [](std::string_view name, std::string_view value) {
    const auto bytes = [](std::string_view text) {
      return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    };
    return nghttp2_nv{bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
  };
  const std::array fields{field(":method", "POST"),
                          field(":scheme", "http"),
                          field(":path", method),
                          field(":authority", "localhost"),
                          field("content-type", "application/grpc"),
                          field("te", "trailers")};
  const nghttp2_data_provider body{.source = {.ptr = nullptr}, .read_callback = next_part};
  if (nghttp2_submit_request(session, nullptr, fields.data(), fields.size(), &body, call) < 0)
    give_up("the server takes no more calls");
}

void Load::end_of(Call* call) {
  if (call->status != "0" || call->answered <= 5)
    give_up("a call ended with status '" + call->status + "'");
  const auto now = Clock::now();
  if (call->started >= count_from && now <= end) {
    if (latencies_us.empty()) cpu_at_first = cpu_seconds();
    latencies_us.push_back(std::chrono::duration<float, std::micro>(now - call->started).count());
  }
  delete call;
  if (now < end) begin();
}

int connected(const char* port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0), on = 1;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    give_up("nobody listens there");
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

nghttp2_session* new_session(Load& load) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session* session = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_send_callback(callbacks, take_bytes);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, take_part);
  nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, most_of_a_part);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_answer);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_field);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_end);
  nghttp2_session_client_new(&session, callbacks, &load);
  nghttp2_session_callbacks_del(callbacks);
  constexpr std::int32_t kWindow = 1 << 30;
  const nghttp2_settings_entry settings{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &settings, 1);
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kWindow);
  return session;
}

void exchange(Load& load) {
  std::array<std::uint8_t, 1 << 16> in;
  while (Clock::now() < load.end) {
    nghttp2_session_send(load.session);
    load.flush();
    const ssize_t size = recv(load.socket, in.data(), in.size(), 0);
    if (size <= 0) give_up("the server closed the connection");
    if (nghttp2_session_mem_recv(load.session, in.data(), static_cast<std::size_t>(size)) < 0)
      give_up("the server does not speak HTTP/2");
  }
}

std::string framed_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const std::uint32_t size = htonl(static_cast<std::uint32_t>(bytes.size()));
  std::string message(5, '\0');
  std::memcpy(message.data() + 1, &size, sizeof size);
  return message + bytes;
}

float quantile(const std::vector<float>& sorted, double q) {
  return sorted.empty()
             ? 0
             : sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const double seconds = std::atof(argv[3]);
  const auto span = [](double s) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
  };
  Load load;
  load.method = argv[4];
  load.message = framed_file(argv[5]);
  load.socket = connected(argv[1]);
  load.session = new_session(load);
  load.count_from = Clock::now() + span(0.2 * seconds);
  load.end = load.count_from + span(seconds);
  for (int i = std::atoi(argv[2]); i > 0; --i) load.begin();
  exchange(load);
  auto& latencies = load.latencies_us;
  const double cpu_us = 1e6 * (cpu_seconds() - load.cpu_at_first) /
                        static_cast<double>(std::max<std::size_t>(latencies.size(), 2) - 1);
  std::ranges::sort(latencies);
  std::printf(
      "{\"requests_per_second\": %.6g, \"p50_us\": %.6g, \"p99_us\": %.6g, \"client_cpu_us\": "
      "%.4g}\n",
      static_cast<double>(latencies.size()) / seconds, quantile(latencies, 0.5),
      quantile(latencies, 0.99), cpu_us);
  std::fflush(stdout);
  std::_Exit(0);  // calls are under way
}
