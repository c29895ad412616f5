#include "net/sse.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::net {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

void append_clean(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c != '\r' && c != '\n' && c != '\0') out.push_back(c);
  }
}

// `text` as lines, each behind `prefix`; CRLF, LF and CR all end a line.
void append_lines(std::string& out, std::string_view prefix, std::string_view text) {
  while (true) {
    const std::size_t end = text.find_first_of("\r\n");
    out.append(prefix).append(text.substr(0, end)).push_back('\n');
    if (end == std::string_view::npos) return;
    text.remove_prefix(text.substr(end).starts_with("\r\n") ? end + 2 : end + 1);
  }
}

}  // namespace

std::string format_sse_event(std::string_view data, std::string_view event, std::string_view id) {
  std::string out;
  out.reserve(data.size() + event.size() + id.size() + 24);
  if (!event.empty()) {
    out.append("event: ");
    append_clean(out, event);
    out.push_back('\n');
  }
  if (!id.empty()) {
    out.append("id: ");
    append_clean(out, id);
    out.push_back('\n');
  }
  append_lines(out, "data: ", data);
  out.push_back('\n');
  return out;
}

std::string format_sse_comment(std::string_view text) {
  std::string out;
  append_lines(out, ": ", text);
  out.push_back('\n');
  return out;
}

bool SseParser::feed(std::string_view bytes, const std::function<bool(const SseEvent&)>& on_event) {
  while (!bytes.empty()) {
    if (after_cr_) {
      after_cr_ = false;
      if (bytes.front() == '\n') {
        bytes.remove_prefix(1);
        continue;
      }
    }
    const std::size_t end = bytes.find_first_of("\r\n");
    line_.append(bytes.substr(0, end));
    if (line_.size() + event_.data.size() > max_event_bytes_) return false;
    if (end == std::string_view::npos) return true;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    if (at_start_ && line_.starts_with(kByteOrderMark)) line_.erase(0, kByteOrderMark.size());
    at_start_ = false;
    const std::string line = std::exchange(line_, {});
    if (!take_line(line, on_event)) return false;
  }
  return true;
}

bool SseParser::take_line(std::string_view line,
                          const std::function<bool(const SseEvent&)>& on_event) {
  if (line.empty()) {
    bool more = true;
    if (has_data_) {
      event_.data.pop_back();  // the last line's break
      more = on_event(event_);
    }
    event_.type = "message";
    event_.data.clear();
    has_data_ = false;
    return more;
  }
  const std::size_t colon = line.find(':');
  if (colon == 0) return true;
  const std::string_view name = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (name == "data") {
    event_.data.append(value).push_back('\n');
    has_data_ = true;
  } else if (name == "event") {
    event_.type = value.empty() ? "message" : value;
  } else if (name == "id") {
    if (value.find('\0') == std::string_view::npos) event_.id = value;
  } else if (name == "retry") {
    std::int64_t ms = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), ms);
    const bool digits =
        std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (error == std::errc() && digits && end == value.data() + value.size()) retry_ms_ = ms;
  }
  return true;
}

}  // namespace millrace::net
