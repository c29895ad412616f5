#include "net/h2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <utility>

#include "base/check.h"

namespace millrace::net {
namespace {

constexpr std::size_t kFieldOverhead = 32;  // RFC 9113 §6.5.2
constexpr std::size_t kMaxPieceBytes = std::size_t{256} << 10;

std::uint8_t* bytes_of(const std::string& text) {
  // The library takes no const, and changes nothing.
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

std::vector<nghttp2_nv> name_values(const std::vector<H2Field>& fields) {
  std::vector<nghttp2_nv> out;
  out.reserve(fields.size());
  for (const auto& [name, value] : fields) {
    out.push_back(
        {bytes_of(name), bytes_of(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  return out;
}

bool ends_stream(const nghttp2_frame& frame) {
  return (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

}  // namespace

std::string_view H2Head::field(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, &H2Field::name);
  return found == fields.end() ? std::string_view() : found->value;
}

struct H2Session::Glue {
  static H2Session& self(void* user) { return *static_cast<H2Session*>(user); }
  static H2Stream* stream(nghttp2_session* session, std::int32_t id) {
    return static_cast<H2Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    self(user).head_ = {};
    self(user).head_bytes_ = 0;
    return 0;
  }

  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                    std::uint8_t, void* user) {
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;  // a client's trailers
    H2Session& s = self(user);
    s.head_bytes_ += name_size + value_size + kFieldOverhead;
    s.head_.too_large = s.head_bytes_ > s.limits_.max_header_bytes;
    if (s.head_.too_large) return 0;
    std::string key(reinterpret_cast<const char*>(name), name_size);
    std::string text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":path") {
      s.head_.path = std::move(text);
    } else if (key == ":method") {
      s.head_.method = std::move(text);
    } else if (!key.starts_with(':')) {
      s.head_.fields.push_back({std::move(key), std::move(text)});
    }
    return 0;
  }

  static int frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    const std::int32_t id = frame->hd.stream_id;
    switch (frame->hd.type) {
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) self(user).owner_.on_ping();
        return 0;
      case NGHTTP2_HEADERS:
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
          H2Stream* made = self(user).owner_.on_request(id, std::move(self(user).head_));
          nghttp2_session_set_stream_user_data(session, id, made);
        }
        break;
      case NGHTTP2_DATA:
        break;
      default:
        return 0;
    }
    H2Stream* known = ends_stream(*frame) ? stream(session, id) : nullptr;
    if (known) known->on_end();
    return 0;
  }

  static int data(nghttp2_session* session, std::uint8_t, std::int32_t id,
                  const std::uint8_t* bytes, std::size_t size, void*) {
    nghttp2_session_consume_connection(session, size);
    if (H2Stream* known = stream(session, id)) {
      known->on_data({reinterpret_cast<const char*>(bytes), size});
    } else {
      nghttp2_session_consume_stream(session, id, size);
    }
    return 0;
  }

  static int closed(nghttp2_session* session, std::int32_t id, std::uint32_t, void*) {
    if (H2Stream* known = stream(session, id)) known->on_close();
    return 0;
  }

  // A client that was answered before it had sent all is told that the rest is not wanted.
  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void*) {
    const std::int32_t id = frame->hd.stream_id;
    if (frame->hd.type == NGHTTP2_HEADERS && ends_stream(*frame) &&
        nghttp2_session_get_stream_remote_close(session, id) == 0) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  static ssize_t send(nghttp2_session*, const std::uint8_t* bytes, std::size_t size, int,
                      void* user) {
    H2Session& s = self(user);
    if (s.out_->size() >= s.enough_) return NGHTTP2_ERR_WOULDBLOCK;
    s.out_->append(reinterpret_cast<const char*>(bytes), size);
    return static_cast<ssize_t>(size);
  }

  static ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t*,
                           std::size_t most, std::uint32_t* flags, nghttp2_data_source* source,
                           void*) {
    H2Stream& from = *static_cast<H2Stream*>(source->ptr);
    const std::size_t ready = from.ready(), count = std::min(ready, most);
    if (count == 0 && !from.complete()) return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (count == ready && from.complete()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const auto trailers = from.trailers();
      const auto fields = name_values(trailers);
      nghttp2_submit_trailer(session, id, fields.data(), fields.size());
    }
    return static_cast<ssize_t>(count);
  }

  static int send_body(nghttp2_session*, nghttp2_frame*, const std::uint8_t* head, std::size_t size,
                       nghttp2_data_source* source, void* user) {
    constexpr std::size_t kFrameHead = 9;
    H2Session& s = self(user);
    if (s.out_->size() >= s.enough_) return NGHTTP2_ERR_WOULDBLOCK;
    s.out_->append(reinterpret_cast<const char*>(head), kFrameHead);
    static_cast<H2Stream*>(source->ptr)->take(*s.out_, size);
    return 0;
  }

  static ssize_t piece_size(nghttp2_session*, std::uint8_t, std::int32_t, std::int32_t connection,
                            std::int32_t stream_window, std::uint32_t frame, void*) {
    const auto room = static_cast<std::size_t>(std::max(std::min(connection, stream_window), 1));
    return static_cast<ssize_t>(std::min({room, std::size_t{frame}, kMaxPieceBytes}));
  }

  static nghttp2_session* make(H2Session* owner) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* options = nullptr;
    nghttp2_session* made = nullptr;
    MILLRACE_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    MILLRACE_CHECK(nghttp2_option_new(&options) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, closed);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frame_sent);
    nghttp2_session_callbacks_set_send_callback(callbacks, send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_body);
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, piece_size);
    nghttp2_option_set_no_auto_window_update(options, 1);
    const int error = nghttp2_session_server_new2(&made, callbacks, owner, options);
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(callbacks);
    MILLRACE_CHECK(error == 0);
    return made;
  }
};

H2Session::H2Session(H2Owner& owner, const H2Limits& limits)
    : owner_(owner), limits_(limits), session_(Glue::make(this)) {
  const std::array<nghttp2_settings_entry, 4> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.max_streams},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.max_header_bytes)},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, limits.max_frame_bytes},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(limits.stream_window)},
  }};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, limits.connection_window);
}

H2Session::~H2Session() {
  nghttp2_session_del(session_);
}

H2Session::Received H2Session::receive(std::string_view bytes) {
  const ssize_t taken = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC) return Received::not_http2;
  return taken < 0 ? Received::broken : Received::good;
}

void H2Session::pull(std::string& out, std::size_t enough) {
  out_ = &out;
  enough_ = enough;
  nghttp2_session_send(session_);  // an error leaves nothing to send
  out_ = nullptr;
}

bool H2Session::over() const {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

void H2Session::respond(std::int32_t id, const std::vector<H2Field>& fields, bool has_body) {
  const auto head = name_values(fields);
  nghttp2_data_provider body{};
  body.source.ptr = Glue::stream(session_, id);
  body.read_callback = Glue::read_body;
  nghttp2_submit_response(session_, id, head.data(), head.size(), has_body ? &body : nullptr);
}

void H2Session::resume(std::int32_t id) {
  nghttp2_session_resume_data(session_, id);
}

void H2Session::reset(std::int32_t id) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
}

void H2Session::consume(std::int32_t id, std::size_t num_bytes) {
  nghttp2_session_consume_stream(session_, id, num_bytes);
}

void H2Session::ping() {
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
}

void H2Session::go_away() {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

void H2Session::go_away_calm_down(std::string_view why) {
  nghttp2_submit_goaway(
      session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
      NGHTTP2_ENHANCE_YOUR_CALM, reinterpret_cast<const std::uint8_t*>(why.data()), why.size());
}

}  // namespace millrace::net
