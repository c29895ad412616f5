#include "loadgen/answer_reader.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "net/http_types.h"

namespace millrace::loadgen {
namespace {

constexpr std::size_t kMaxWholeBytes = std::size_t{4} << 20;
constexpr std::size_t kMaxErrorText = 300;

const json::value* member(const json::value* value, std::string_view key) {
  const json::object* object = value ? value->if_object() : nullptr;
  return object ? object->if_contains(key) : nullptr;
}

bool has_text(const json::value* value) {
  return value && value->is_string() && !value->as_string().empty();
}

int count_of(const json::value* value, int otherwise) {
  if (!value || !value->is_int64() || value->as_int64() < 0 || value->as_int64() > 1 << 30)
    return otherwise;
  return static_cast<int>(value->as_int64());
}

// The message of {"error": {"message": …}}, {"error": "…"} or {"message": …}; else the JSON.
std::string error_message(const json::value& value) {
  const json::value* error = member(&value, "error");
  if (error && error->is_string()) return std::string(error->as_string());
  const json::value* message = member(error ? error : &value, "message");
  if (message && message->is_string()) return std::string(message->as_string());
  return dump_json(value).substr(0, kMaxErrorText);
}

struct Choice {
  bool text = false;
  bool finished = false;
};

// What a choice of a stream ("delta" or "text") or of a whole answer ("message" or "text") brings.
Choice look_at_choice(const json::value& choice) {
  Choice seen;
  const json::value* reason = member(&choice, "finish_reason");
  seen.finished = reason && reason->is_string();
  const json::value* part = member(&choice, "delta");
  if (!part) part = member(&choice, "message");
  if (!part) {
    seen.text = has_text(member(&choice, "text"));
    return seen;
  }
  const json::value* calls = member(part, "tool_calls");
  seen.text = has_text(member(part, "content")) || has_text(member(part, "reasoning_content")) ||
              has_text(member(part, "reasoning")) ||
              (calls && calls->is_array() && !calls->as_array().empty());
  return seen;
}

}  // namespace

std::string failure_name(const RequestRecord& record) {
  switch (record.failure) {
    case Failure::none:
      return "none";
    case Failure::connect:
      return "connect";
    case Failure::disconnected:
      return "disconnected";
    case Failure::timeout:
      return "timeout";
    case Failure::http_status:
      return "http_" + std::to_string(record.status);
    case Failure::malformed:
      return "malformed";
    case Failure::error_event:
      return "error_event";
    case Failure::truncated:
      return "truncated";
    case Failure::empty:
      return "empty";
  }
  return "unknown";
}

void AnswerReader::begin(int status, std::string_view content_type) {
  record_.status = status;
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  streams_ = status >= 200 && status < 300 && net::equal_ignoring_case(type, "text/event-stream");
}

void AnswerReader::fail(Failure failure, std::string text) {
  if (record_.failure != Failure::none) return;
  record_.failure = failure;
  text.resize(std::min(text.size(), kMaxErrorText));
  record_.error_text = std::move(text);
}

bool AnswerReader::feed(std::string_view bytes, double now) {
  if (done_ || !record_.ok()) return false;
  if (!streams_) {
    whole_.append(bytes.substr(0, kMaxWholeBytes - std::min(whole_.size(), kMaxWholeBytes)));
    return true;
  }
  const bool more =
      events_.feed(bytes, [&](const net::SseEvent& event) { return take_event(event.data, now); });
  if (!more && !done_ && record_.ok()) fail(Failure::malformed, "an event over 1 MiB");
  return more;
}

bool AnswerReader::take_event(std::string_view data, double now) {
  if (data == "[DONE]") {
    done_ = true;
    return false;
  }
  const auto event = parse_json(data);
  if (!event) {
    fail(Failure::malformed, "an event is not JSON: " + std::string(data.substr(0, 100)));
    return false;
  }
  if (const json::value* error = member(&*event, "error"); error && !error->is_null()) {
    fail(Failure::error_event, error_message(*event));
    return false;
  }
  if (const json::value* usage = member(&*event, "usage"); usage && usage->is_object()) {
    record_.prompt_tokens = count_of(member(usage, "prompt_tokens"), record_.prompt_tokens);
    record_.cached_tokens = count_of(
        member(member(usage, "prompt_tokens_details"), "cached_tokens"), record_.cached_tokens);
    record_.output_tokens = count_of(member(usage, "completion_tokens"), record_.output_tokens);
  }
  const json::value* choices = member(&*event, "choices");
  if (!choices || !choices->is_array()) return true;
  for (const json::value& choice : choices->as_array()) {
    const Choice seen = look_at_choice(choice);
    if (seen.text) record_.token_times.push_back(now);
    finish_reason_ = finish_reason_ || seen.finished;
  }
  return true;
}

void AnswerReader::read_error() {
  const auto body = parse_json(whole_);
  fail(Failure::http_status, body ? error_message(*body) : whole_);
}

// A server that does not stream: all its tokens came at once.
void AnswerReader::read_whole(double now) {
  const auto body = parse_json(whole_);
  if (!body || !body->is_object()) return fail(Failure::malformed, "the answer is not JSON");
  done_ = true;
  take_event(whole_, now);
}

void AnswerReader::end(double now) {
  record_.finished = now;
  if (record_.status < 200 || record_.status >= 300) {
    read_error();
  } else if (!streams_) {
    read_whole(now);
  }
  if (record_.ok() && !done_ && !finish_reason_)
    fail(Failure::truncated, "the stream ended without a finish_reason");
  const int pieces = static_cast<int>(record_.token_times.size());
  if (record_.output_tokens == 0) record_.output_tokens = pieces;
  if (record_.ok() && pieces == 0) fail(Failure::empty, "an answer without a token");
}

}  // namespace millrace::loadgen
