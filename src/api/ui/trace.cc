#include "api/ui/trace.h"

#include <string>
#include <utility>

#include "api/json_writer.h"
#include "base/trace.h"

namespace millrace::api {
namespace {

constexpr std::size_t kMaxTraces = 50;

std::int64_t us_between(TimePoint from, TimePoint to) {
  return std::chrono::duration_cast<std::chrono::microseconds>(to - from).count();
}

void write_trace(JsonWriter& json, const Trace& trace) {
  const Trace::Snapshot snapshot = trace.now();
  json.open_object().field("id", trace.id()).field("model", trace.model());
  json.field("kind", trace.kind());
  json.field("start_ms", static_cast<double>(trace.start_unix_us()) / 1000);
  json.field("done", snapshot.done).key("spans").open_array();
  for (const TraceSpan& span : snapshot.spans) {
    json.open_object().field("name", span.name);
    const std::int64_t start = us_between(trace.start(), span.start);
    json.field("start_us", start);  // both ends are rounded alike: what nests still does
    json.field("duration_us", us_between(trace.start(), span.end) - start);
    json.field("depth", span.depth).close_object();
  }
  json.close_array().close_object();
}

}  // namespace

void get_ui_trace(const ApiContext& context, const net::HttpRequest&,
                  std::shared_ptr<net::Responder> respond) {
  std::string body;
  JsonWriter json(body);
  json.open_object().key("traces").open_array();
  for (const auto& trace : context.traces.latest(kMaxTraces)) write_trace(json, *trace);
  json.close_array().close_object();
  respond->send(
      {.status = 200, .body = std::move(body), .headers = {{"Cache-Control", "no-store"}}});
}

}  // namespace millrace::api
