// For tests: the client's side of an HTTP/2 connection, by the library that the server uses too,
// one thread, blocking; and a service whose calls a test holds in its hands.
#pragma once

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/socket.h"

namespace millrace::net {

using namespace std::chrono_literals;

// A message with its prefix.
inline std::string framed(std::string_view message, char flag = 0) {
  std::string out(1, flag);
  for (int shift = 24; shift >= 0; shift -= 8) {
    out += static_cast<char>(message.size() >> static_cast<unsigned>(shift));
  }
  return out.append(message);
}

class H2Client {
 public:
  struct Answer {
    std::map<std::string, std::string> fields;  // head and trailers
    std::string body;
    bool closed = false;
    std::uint32_t error = 0;  // of the stream
    std::string status() const { return field("grpc-status"); }
    std::string field(const std::string& name) const {
      const auto found = fields.find(name);
      return found == fields.end() ? "" : found->second;
    }
  };
  struct Call {
    std::string path = "/test.Service/Method";
    std::string body{};  // with prefixes
    bool end = true;     // nothing follows it
    std::string method = "POST";
    std::string content_type = "application/grpc";
    std::vector<std::pair<std::string, std::string>> more{};
  };

  explicit H2Client(std::uint16_t port) {
    auto socket = connect_tcp("127.0.0.1", port, Clock::now() + 5s);
    EXPECT_TRUE(socket);
    if (socket) fd_ = std::move(*socket);
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_option* options = nullptr;
    nghttp2_option_new(&options);
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_session_client_new2(&session_, callbacks, this, options);
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~H2Client() { nghttp2_session_del(session_); }
  H2Client(const H2Client&) = delete;
  H2Client& operator=(const H2Client&) = delete;

  bool takes_data = true;  // gives the server's window back
  std::string goodbye;     // what the server said as it went away
  bool gone = false;       // the connection

  std::int32_t begin(Call call) {
    std::vector<std::pair<std::string, std::string>> fields{{":method", call.method},
                                                            {":scheme", "http"},
                                                            {":authority", "test"},
                                                            {":path", call.path},
                                                            {"content-type", call.content_type},
                                                            {"te", "trailers"}};
    fields.insert(fields.end(), call.more.begin(), call.more.end());
    std::vector<nghttp2_nv> raw;
    for (auto& [name, value] : fields) {
      raw.push_back({reinterpret_cast<std::uint8_t*>(name.data()),
                     reinterpret_cast<std::uint8_t*>(value.data()), name.size(), value.size(), 0});
    }
    auto source = std::make_unique<Source>(std::move(call.body), 0, call.end);
    nghttp2_data_provider provider{{.ptr = source.get()}, read_body};
    const std::int32_t id =
        nghttp2_submit_request(session_, nullptr, raw.data(), raw.size(), &provider, nullptr);
    sources_[id] = std::move(source);
    return id;
  }
  void send(std::int32_t id, std::string_view bytes, bool end = false) {
    sources_[id]->bytes.append(bytes);
    sources_[id]->end = end;
    nghttp2_session_resume_data(session_, id);
  }
  void cancel(std::int32_t id) { nghttp2_submit_rst_stream(session_, 0, id, NGHTTP2_CANCEL); }
  // As if what came so far were taken now.
  void give_window(std::int32_t id) {
    nghttp2_session_consume(session_, id, answers_[id].body.size());
  }
  void ping() { nghttp2_submit_ping(session_, 0, nullptr); }
  void close() { fd_.reset(); }
  std::size_t unsent(std::int32_t id) { return sources_[id]->bytes.size() - sources_[id]->sent; }
  Answer& answer(std::int32_t id) { return answers_[id]; }

  // Sends and receives until `done`, the connection ends, or time is up.
  template <class Done>
  bool run(Done done, std::chrono::milliseconds most = 5s) {
    const TimePoint deadline = Clock::now() + most;
    while (true) {
      const std::uint8_t* data = nullptr;
      for (ssize_t n = 0; (n = nghttp2_session_mem_send(session_, &data)) > 0;) {
        if (!send_all({reinterpret_cast<const char*>(data), static_cast<std::size_t>(n)}))
          gone = true;
      }
      if (done()) return true;
      if (gone || !wait_for_socket(fd_.get(), POLLIN, std::min(deadline, Clock::now() + 1ms))) {
        if (gone || Clock::now() >= deadline) return done();
        continue;
      }
      char buffer[65536];
      const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      gone = n == 0 || (n < 0 && errno != EAGAIN);
      if (n <= 0) continue;
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(buffer);
      if (nghttp2_session_mem_recv(session_, bytes, static_cast<std::size_t>(n)) < 0) gone = true;
    }
  }
  bool run_until_closed(std::int32_t id) {
    return run([&] { return answers_[id].closed; });
  }
  Answer ask(Call call) {
    const std::int32_t id = begin(std::move(call));
    EXPECT_TRUE(run_until_closed(id));
    return answers_[id];
  }

 private:
  struct Source {
    std::string bytes;
    std::size_t sent = 0;
    bool end = true;
  };

  bool send_all(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(n));
      } else if (errno != EAGAIN || !wait_for_socket(fd_.get(), POLLOUT, Clock::now() + 5s)) {
        return false;
      }
    }
    return true;
  }

  static ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* out, std::size_t most,
                           std::uint32_t* flags, nghttp2_data_source* from, void*) {
    Source& source = *static_cast<Source*>(from->ptr);
    const std::size_t count = std::min(most, source.bytes.size() - source.sent);
    std::memcpy(out, source.bytes.data() + source.sent, count);
    source.sent += count;
    if (source.sent == source.bytes.size() && source.end) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (count == 0) {
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(count);
  }
  static H2Client& self(void* user) { return *static_cast<H2Client*>(user); }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                       std::uint8_t, void* user) {
    self(user)
        .answers_[frame->hd.stream_id]
        .fields[{reinterpret_cast<const char*>(name), name_size}] = {
        reinterpret_cast<const char*>(value), value_size};
    return 0;
  }
  static int on_data(nghttp2_session* session, std::uint8_t, std::int32_t id,
                     const std::uint8_t* data, std::size_t size, void* user) {
    self(user).answers_[id].body.append(reinterpret_cast<const char*>(data), size);
    if (self(user).takes_data) nghttp2_session_consume(session, id, size);
    return 0;
  }
  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t error, void* user) {
    self(user).answers_[id].closed = true;
    self(user).answers_[id].error = error;
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      const auto& bye = frame->goaway;
      self(user).goodbye = "goodbye ";
      self(user).goodbye.append(reinterpret_cast<const char*>(bye.opaque_data),
                                bye.opaque_data_len);
    }
    return 0;
  }

  UniqueFd fd_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, std::unique_ptr<Source>> sources_;
  std::map<std::int32_t, Answer> answers_;
};

}  // namespace millrace::net
