#include "api/admin/traces.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "api/errors.h"
#include "api/json_writer.h"
#include "base/trace.h"

namespace millrace::api {
namespace {

constexpr std::size_t kDefaultTraces = 100;

std::int64_t us_between(TimePoint from, TimePoint to) {
  return std::chrono::duration_cast<std::chrono::microseconds>(to - from).count();
}

// The first thread whose open spans all hold this one; spans come by start, outer ones first.
class Threads {
 public:
  int place(const TraceSpan& span) {
    for (std::size_t i = 0; i < open_.size(); ++i) {
      auto& ends = open_[i];
      while (!ends.empty() && ends.back() <= span.start) ends.pop_back();
      if (!ends.empty() && ends.back() < span.end) continue;
      ends.push_back(span.end);
      return static_cast<int>(i) + 1;
    }
    open_.push_back({span.end});
    return static_cast<int>(open_.size());
  }

 private:
  std::vector<std::vector<TimePoint>> open_;
};

void write_trace(JsonWriter& json, const Trace& trace, int process) {
  const Trace::Snapshot snapshot = trace.now();
  json.open_object().field("name", "process_name").field("ph", "M").field("pid", process);
  json.key("args").open_object();
  json.field("name", fmt::format("{} {}", trace.kind(), trace.model())).close_object();
  json.close_object();
  Threads threads;
  for (const TraceSpan& span : snapshot.spans) {
    json.open_object().field("name", span.name).field("cat", trace.kind()).field("ph", "X");
    // Both ends are rounded alike, so that what nests still does.
    const std::int64_t start = us_between(trace.start(), span.start);
    json.field("ts", trace.start_unix_us() + start);
    json.field("dur", us_between(trace.start(), span.end) - start);
    json.field("pid", process).field("tid", threads.place(span));
    json.key("args").open_object().field("trace_id", trace.id()).field("model", trace.model());
    if (span.depth == 0 && snapshot.num_left_out > 0) {
      json.field("spans_left_out", snapshot.num_left_out);
    }
    for (const auto& [name, value] : span.numbers) json.field(name, value);
    json.close_object().close_object();
  }
}

void send(net::Responder& respond, const std::vector<std::shared_ptr<const Trace>>& traces) {
  std::string body;
  JsonWriter json(body);
  json.open_object().field("displayTimeUnit", "ms").key("traceEvents").open_array();
  int process = 0;
  for (const auto& trace : traces) write_trace(json, *trace, ++process);
  json.close_array().close_object();
  respond.send(
      {.status = 200, .body = std::move(body), .headers = {{"Cache-Control", "no-store"}}});
}

}  // namespace

void get_traces(const ApiContext& context, const net::HttpRequest& http,
                std::shared_ptr<net::Responder> respond) {
  std::size_t limit = kDefaultTraces;
  constexpr std::string_view kLimit = "limit=";
  if (http.query.starts_with(kLimit)) {
    const std::string_view text = std::string_view(http.query).substr(kLimit.size());
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (error != std::errc() || end != text.data() + text.size()) {
      return respond->send(
          error_response(Error{ErrorKind::invalid_argument, "'limit' must be a whole number.",
                               "limit", "invalid_value"}));
    }
  }
  send(*respond, context.traces.latest(limit));
}

void get_trace(const ApiContext& context, const net::HttpRequest& http,
               std::shared_ptr<net::Responder> respond) {
  const auto id = http.path_params.find("id");
  auto traces = context.traces.latest(context.traces.capacity());
  std::erase_if(traces, [&](const auto& trace) {
    return id == http.path_params.end() || trace->id() != id->second;
  });
  if (traces.empty()) {
    return respond->send(error_response(Error{
        ErrorKind::not_found, "No such trace: only the last ones are kept.", {}, "not_found"}));
  }
  send(*respond, traces);
}

}  // namespace millrace::api
