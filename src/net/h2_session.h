// H2Session: the server's side of one HTTP/2 connection (RFC 9113), from bytes to streams and back;
// it has no socket. The only file that names nghttp2, which keeps the protocol's rules: flow
// control, header compression, and the floods it must bear (resets, settings, continuations).
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct nghttp2_session;

namespace millrace::net {

struct H2Field {
  std::string name, value;  // names are in lower case
};

struct H2Head {
  std::string method, path;
  std::vector<H2Field> fields;  // without pseudo-fields
  bool too_large = false;       // parts are missing

  std::string_view field(std::string_view name) const;  // empty: there is none
};

// One exchange: what came of it, and where the bytes of its answer are taken from. Called within
// receive() and pull() only.
class H2Stream {
 public:
  virtual ~H2Stream() = default;
  // The bytes count against the client's window until H2Session::consume().
  virtual void on_data(std::string_view bytes) = 0;
  virtual void on_end() = 0;  // the client sends no more
  virtual void on_close() = 0;

  virtual std::size_t ready() const = 0;                       // bytes that could be sent now
  virtual bool complete() const = 0;                           // no more will follow
  virtual void take(std::string& out, std::size_t count) = 0;  // appends the next `count`
  virtual std::vector<H2Field> trailers() = 0;                 // once, after the last
};

class H2Owner {
 public:
  virtual ~H2Owner() = default;
  // A request's head; the stream lives until on_close(). Null: it was answered.
  virtual H2Stream* on_request(std::int32_t id, H2Head head) = 0;
  virtual void on_ping() = 0;
};

struct H2Limits {
  std::uint32_t max_streams = 100;
  std::size_t max_header_bytes = std::size_t{16} << 10;
  // Tensors come in a few large pieces where the client makes such.
  std::uint32_t max_frame_bytes = std::uint32_t{1} << 20;
  std::int32_t stream_window = std::int32_t{4} << 20;
  std::int32_t connection_window = std::int32_t{16} << 20;
};

class H2Session {
 public:
  H2Session(H2Owner& owner, const H2Limits& limits);  // both outlive it
  ~H2Session();
  H2Session(const H2Session&) = delete;
  H2Session& operator=(const H2Session&) = delete;

  // An error: what came is no HTTP/2, or can't go on; nothing more is to be received.
  enum class Received : std::uint8_t { good, not_http2, broken };
  Received receive(std::string_view bytes);
  // Appends what is to be sent until `out` has `enough` bytes or there is no more.
  void pull(std::string& out, std::size_t enough);
  bool over() const;  // nothing to receive, nothing to send

  // With `has_body`, bytes and trailers come from the stream; else the head is all.
  void respond(std::int32_t id, const std::vector<H2Field>& fields, bool has_body);
  void resume(std::int32_t id);  // the stream has something to send again
  void reset(std::int32_t id);   // CANCEL
  void consume(std::int32_t id, std::size_t num_bytes);
  void ping();
  // No new streams; those that are there go on.
  void go_away();
  void go_away_calm_down(std::string_view why);

 private:
  struct Glue;  // the library's callbacks

  H2Owner& owner_;
  const H2Limits limits_;
  nghttp2_session* session_ = nullptr;
  H2Head head_;  // of the request whose fields are coming
  std::size_t head_bytes_ = 0;
  std::string* out_ = nullptr;  // within pull()
  std::size_t enough_ = 0;
};

}  // namespace millrace::net
