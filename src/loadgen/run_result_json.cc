#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "loadgen/run_result.h"

namespace millrace::loadgen {
namespace {

constexpr int kFormat = 1;

// Six significant digits; whole numbers without a fraction.
json::value tidy(double value) {
  if (!std::isfinite(value) || value == 0) return 0;
  const double scale = std::pow(10, 5 - std::floor(std::log10(std::abs(value))));
  const double rounded = std::round(value * scale) / scale;
  if (rounded == std::floor(rounded) && std::abs(rounded) < 1e15)
    return static_cast<std::int64_t>(rounded);
  return rounded;
}

json::array numbers(const std::vector<double>& values) {
  json::array out;
  out.reserve(values.size());
  for (const double value : values) out.push_back(tidy(value));
  return out;
}

json::object summary_json(const Summary& s) {
  json::object out;
  out["count"] = s.count;
  if (s.count == 0) return out;
  out["mean"] = tidy(s.mean);
  out["min"] = tidy(s.min);
  out["p50"] = tidy(s.p50);
  out["p90"] = tidy(s.p90);
  out["p95"] = tidy(s.p95);
  out["p99"] = tidy(s.p99);
  out["max"] = tidy(s.max);
  out["quantiles"] = numbers(s.quantiles);
  return out;
}

// Reads fields; the first that is missing or of another type sticks.
class Fields {
 public:
  Fields(const json::object& object, std::string path, Status& status)
      : object_(object), path_(std::move(path)), status_(status) {}

  double number(const char* key) {
    const json::value* value = find(key);
    if (value && value->is_number()) return value->to_number<double>();
    wrong(key, "a number");
    return 0;
  }
  std::int64_t count(const char* key) {
    const json::value* value = find(key);
    if (value && value->is_int64() && value->as_int64() >= 0) return value->as_int64();
    if (value && value->is_uint64() && value->as_uint64() >> 62 == 0)
      return static_cast<std::int64_t>(value->as_uint64());
    wrong(key, "a count");
    return 0;
  }
  std::string text(const char* key) {
    const json::value* value = find(key);
    if (value && value->is_string()) return std::string(value->as_string());
    wrong(key, "a string");
    return {};
  }
  bool flag(const char* key) {
    const json::value* value = find(key);
    if (value && value->is_bool()) return value->as_bool();
    wrong(key, "true or false");
    return false;
  }
  const json::object& object(const char* key) {
    static const json::object kEmpty;
    const json::value* value = find(key);
    if (value && value->is_object()) return value->as_object();
    wrong(key, "an object");
    return kEmpty;
  }
  std::vector<double> list(const char* key) {
    std::vector<double> out;
    const json::value* value = find(key);
    if (!value || !value->is_array()) {
      wrong(key, "a list of numbers");
      return out;
    }
    for (const json::value& item : value->as_array()) {
      if (!item.is_number()) {
        wrong(key, "a list of numbers");
        return {};
      }
      out.push_back(item.to_number<double>());
    }
    return out;
  }
  Fields inside(const char* key) { return {object(key), path_ + key + ".", status_}; }
  bool has(const char* key) const { return object_.contains(key); }

 private:
  const json::value* find(const char* key) const { return object_.if_contains(key); }
  void wrong(const char* key, const char* what) {
    if (status_) status_ = invalid(fmt::format("{}{} is not {}", path_, key, what), path_ + key);
  }
  const json::object& object_;
  std::string path_;
  Status& status_;
};

Summary read_summary(Fields fields) {
  Summary s;
  s.count = static_cast<std::size_t>(fields.count("count"));
  if (s.count == 0) return s;
  s.mean = fields.number("mean");
  s.min = fields.number("min");
  s.p50 = fields.number("p50");
  s.p90 = fields.number("p90");
  s.p95 = fields.number("p95");
  s.p99 = fields.number("p99");
  s.max = fields.number("max");
  s.quantiles = fields.list("quantiles");
  return s;
}

void read_counts(Fields& fields, RunResult& r) {
  Fields requests = fields.inside("requests");
  r.num_requests = requests.count("total");
  r.num_ok = requests.count("ok");
  r.num_inexact_prompts = requests.count("inexact_prompts");
  for (const auto& [kind, count] : fields.object("errors")) {
    if (count.is_int64()) r.errors[std::string(kind)] = count.as_int64();
  }
  r.first_error = fields.text("first_error");
  Fields tokens = fields.inside("tokens");
  r.prompt_tokens = tokens.count("prompt");
  r.cached_tokens = tokens.count("cached");
  r.output_tokens = tokens.count("output");
  Fields rates = fields.inside("throughput");
  r.requests_per_second = rates.number("requests_per_second");
  r.output_tokens_per_second = rates.number("output_tokens_per_second");
  r.total_tokens_per_second = rates.number("total_tokens_per_second");
  r.pieces_per_second = rates.number("pieces_per_second");
}

}  // namespace

json::object to_json(const RunResult& r) {
  json::object out;
  out["millrace_bench"] = kFormat;
  out["kind"] = "serve";
  out["label"] = r.label;
  out["started"] = r.started;
  out["target"] = json::object{{"url", r.target}, {"model", r.model}, {"api", r.api}};
  out["load"] = r.load;
  out["load_level"] = tidy(r.load_level);
  out["load_unit"] = r.load_unit;
  out["seconds"] = tidy(r.seconds);
  out["interrupted"] = r.interrupted;
  out["requests"] = json::object{{"total", r.num_requests},
                                 {"ok", r.num_ok},
                                 {"failed", r.num_requests - r.num_ok},
                                 {"inexact_prompts", r.num_inexact_prompts}};
  json::object errors;
  for (const auto& [kind, count] : r.errors) errors[kind] = count;
  out["errors"] = std::move(errors);
  out["first_error"] = r.first_error;
  out["tokens"] = json::object{
      {"prompt", r.prompt_tokens}, {"cached", r.cached_tokens}, {"output", r.output_tokens}};
  out["throughput"] = json::object{{"requests_per_second", tidy(r.requests_per_second)},
                                   {"output_tokens_per_second", tidy(r.output_tokens_per_second)},
                                   {"total_tokens_per_second", tidy(r.total_tokens_per_second)},
                                   {"pieces_per_second", tidy(r.pieces_per_second)}};
  out["ttft_ms"] = summary_json(r.ttft_ms);
  out["itl_ms"] = summary_json(r.itl_ms);
  out["tpot_ms"] = summary_json(r.tpot_ms);
  out["e2e_ms"] = summary_json(r.e2e_ms);
  if (r.slo.any()) {
    out["slo"] = json::object{{"ttft_ms", tidy(r.slo.ttft_ms)},
                              {"tpot_ms", tidy(r.slo.tpot_ms)},
                              {"within", r.num_within_slo},
                              {"attainment", tidy(r.slo_attainment)},
                              {"goodput_requests_per_second", tidy(r.goodput)}};
  }
  out["timeline"] =
      json::object{{"bucket_seconds", tidy(r.timeline.bucket_seconds)},
                   {"output_tokens_per_second", numbers(r.timeline.tokens_per_second)},
                   {"running", numbers(r.timeline.running)}};
  out["client"] = json::object{{"cpu_us_per_token", tidy(r.client_cpu_us_per_token)},
                               {"cpu_fraction", tidy(r.client_cpu_fraction)},
                               {"lag_p99_ms", tidy(r.client_lag_p99_ms)}};
  return out;
}

Result<RunResult> from_json(const json::value& value) {
  if (!value.is_object()) return invalid("not a benchmark result: the file is not a JSON object");
  Status status;
  Fields fields(value.as_object(), "", status);
  if (!fields.has("millrace_bench"))
    return invalid("not a benchmark result: \"millrace_bench\" is missing");
  if (fields.count("millrace_bench") != kFormat || fields.text("kind") != "serve")
    return invalid(fmt::format("a result of another format (expected {}) or kind", kFormat));
  RunResult r;
  r.label = fields.text("label");
  r.started = fields.text("started");
  Fields target = fields.inside("target");
  r.target = target.text("url");
  r.model = target.text("model");
  r.api = target.text("api");
  r.load = fields.object("load");
  r.load_level = fields.number("load_level");
  r.load_unit = fields.text("load_unit");
  r.seconds = fields.number("seconds");
  r.interrupted = fields.flag("interrupted");
  read_counts(fields, r);
  r.ttft_ms = read_summary(fields.inside("ttft_ms"));
  r.itl_ms = read_summary(fields.inside("itl_ms"));
  r.tpot_ms = read_summary(fields.inside("tpot_ms"));
  r.e2e_ms = read_summary(fields.inside("e2e_ms"));
  if (fields.has("slo")) {
    Fields slo = fields.inside("slo");
    r.slo = {.ttft_ms = slo.number("ttft_ms"), .tpot_ms = slo.number("tpot_ms")};
    r.num_within_slo = slo.count("within");
    r.slo_attainment = slo.number("attainment");
    r.goodput = slo.number("goodput_requests_per_second");
  }
  Fields timeline = fields.inside("timeline");
  r.timeline = {.bucket_seconds = timeline.number("bucket_seconds"),
                .tokens_per_second = timeline.list("output_tokens_per_second"),
                .running = timeline.list("running")};
  Fields client = fields.inside("client");
  r.client_cpu_us_per_token = client.number("cpu_us_per_token");
  r.client_cpu_fraction = client.number("cpu_fraction");
  r.client_lag_p99_ms = client.number("lag_p99_ms");
  if (!status) return pass(status);
  return r;
}

}  // namespace millrace::loadgen
