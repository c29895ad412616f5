// Server-sent events (WHATWG HTML §9.2): formatting for servers, an incremental parser for clients.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace millrace::net {

// One event. Line breaks in `data` become further data lines, as the receiver joins them; line
// breaks and NUL in `event` and `id` are dropped, so that no field can be injected. Empty `event`
// and `id` are left out.
std::string format_sse_event(std::string_view data, std::string_view event = {},
                             std::string_view id = {});
// A line that receivers ignore; keeps idle connections alive.
std::string format_sse_comment(std::string_view text);

struct SseEvent {
  std::string type = "message";
  std::string data;
  std::string id;  // the last one seen on the stream
};

class SseParser {
 public:
  explicit SseParser(std::size_t max_event_bytes = std::size_t{8} << 20)
      : max_event_bytes_(max_event_bytes) {}

  // Calls `on_event` for each whole event. False: an event is over the limit, or `on_event`
  // returned false; feed no more. The events do not depend on how the input is split.
  bool feed(std::string_view bytes, const std::function<bool(const SseEvent&)>& on_event);
  std::int64_t retry_ms() const { return retry_ms_; }  // -1: the server gave none

 private:
  bool take_line(std::string_view line, const std::function<bool(const SseEvent&)>& on_event);

  std::size_t max_event_bytes_;
  std::string line_;
  SseEvent event_;
  bool has_data_ = false;
  bool after_cr_ = false;
  bool at_start_ = true;
  std::int64_t retry_ms_ = -1;
};

}  // namespace millrace::net
