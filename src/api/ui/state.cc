#include "api/ui/state.h"

#include <array>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/json_writer.h"
#include "api/ui/process_usage.h"

namespace millrace::api {
namespace {

// Member of the answer → the series it is read from.
constexpr std::array kCounters = {
    std::pair{"prompt_tokens", "millrace_prompt_tokens_total"},
    std::pair{"generation_tokens", "millrace_generation_tokens_total"},
    std::pair{"preemptions", "millrace_preemptions_total"},
    std::pair{"prefix_queries", "millrace_prefix_cache_queries_total"},
    std::pair{"prefix_hits", "millrace_prefix_cache_hits_total"},
    std::pair{"finished", "millrace_requests_finished_total"},
    std::pair{"refused", "millrace_requests_refused_total"},
};
constexpr std::array kHistograms = {
    std::pair{"ttft", "millrace_time_to_first_token_seconds"},
    std::pair{"inter_token", "millrace_inter_token_latency_seconds"},
};

using Samples = std::vector<MetricSample>;
using SamplesByModel = std::map<std::string, Samples, std::less<>>;

SamplesByModel samples_by_model(const Metrics& metrics) {
  SamplesByModel models;
  for (MetricSample& sample : metrics.samples("millrace_")) {
    const auto label = sample.labels.find("model_name");
    if (label == sample.labels.end()) continue;
    const std::string name = label->second;
    models[name].push_back(std::move(sample));
  }
  return models;
}

// Over all further labels: a counter by reason is one figure here.
double sum(const Samples& samples, std::string_view name) {
  double total = 0;
  for (const MetricSample& sample : samples) {
    if (sample.name == name) total += sample.value;
  }
  return total;
}

void write_histogram(JsonWriter& json, const Samples& samples, std::string_view name) {
  json.open_object();
  for (const MetricSample& sample : samples) {
    if (sample.name != name || sample.counts.empty()) continue;
    json.key("bounds").open_array();
    for (const double bound : sample.bounds) json.number(bound);
    json.close_array().key("counts").open_array();
    for (const std::uint64_t count : sample.counts) {
      json.integer(static_cast<std::int64_t>(count));
    }
    json.close_array().field("sum", sample.value);
    break;
  }
  json.close_object();
}

void write_description(JsonWriter& json, const ModelDescription& d) {
  json.field("family", d.family).field("weights", d.weights).field("kernels", d.kernels);
  json.field("parameters", d.num_parameters).field("weight_bytes", d.weight_bytes);
  json.field("kv_cache_bytes", d.kv_cache_bytes).field("kv_block_tokens", d.kv_block_tokens);
  json.field("max_model_len", d.max_model_len).field("max_num_seqs", d.max_num_seqs);
  json.field("vocab_size", d.vocab_size);
  const SamplingParams& sampling = d.default_sampling;
  json.key("default_sampling").open_object();
  json.field("temperature", sampling.temperature).field("top_p", sampling.top_p);
  json.field("top_k", sampling.top_k).field("min_p", sampling.min_p);
  json.field("repetition_penalty", sampling.repetition_penalty).close_object();
}

void write_generator(JsonWriter& json, const Generator& generator, const Samples& samples) {
  const GeneratorStats stats = generator.stats();
  json.key("live").open_object();
  json.field("running", stats.num_running).field("waiting", stats.num_waiting);
  json.field("kv_blocks", stats.num_blocks).field("kv_blocks_free", stats.num_free_blocks);
  json.field("kv_blocks_cached", stats.num_cached_blocks);
  for (const auto& [member, series] : kCounters) json.field(member, sum(samples, series));
  for (const auto& [member, series] : kHistograms) {
    json.key(member);
    write_histogram(json, samples, series);
  }
  json.close_object();
}

// A model is one entry, that of the version which a request without one gets; all are named in it.
void write_versions(JsonWriter& json, const std::vector<serving::ModelStatus>& all,
                    const std::string& name) {
  json.key("versions").open_array();
  for (const serving::ModelStatus& status : all) {
    if (status.name != name) continue;
    json.open_object().field("version", status.version);
    json.field("state", serving::to_string(status.state)).close_object();
  }
  json.close_array();
}

void write_process(JsonWriter& json) {
  const ProcessUsage usage = process_usage();
  json.key("process").open_object().field("cpu_seconds", usage.cpu_seconds);
  json.field("resident_bytes", usage.resident_bytes);
  json.field("machine_bytes", usage.machine_bytes);
  json.field("machine_available_bytes", usage.machine_available_bytes);
  json.field("num_cpus", usage.num_cpus).close_object();
}

}  // namespace

void get_ui_state(const ApiContext& context, const net::HttpRequest&,
                  std::shared_ptr<net::Responder> respond) {
  const SamplesByModel samples = samples_by_model(context.metrics);
  std::string body;
  JsonWriter json(body);
  json.open_object().field("version", context.options.version);
  // On this process's own clock, for rates; it does not say what time it is.
  json.field("seconds", std::chrono::duration<double>(Clock::now().time_since_epoch()).count());
  json.field("requests", context.admission.num_requests());
  json.field("memory_limit_bytes", context.store.memory().limit());
  json.field("memory_used_bytes", context.store.memory().used());
  json.field("control", serving::to_string(context.store.control()));
  write_process(json);
  json.key("models").open_array();
  const std::vector<serving::ModelStatus> all = context.store.list();
  for (const serving::ModelStatus& status : all) {
    if (!status.is_default) continue;
    json.open_object().field("name", status.name).field("version", status.version);
    json.field("backend", status.backend).field("state", serving::to_string(status.state));
    json.field("progress", status.progress).field("stage", status.stage);
    write_versions(json, all, status.name);
    if (status.model) {
      write_description(json, status.model->description());
      if (!status.model->task().empty()) json.field("task", status.model->task());
      const serving::TextModel* text = status.model->text();
      json.field("chats", status.model->generator() && text && text->has_chat_template());
      const auto found = samples.find(status.name);
      if (const Generator* generator = status.model->generator()) {
        write_generator(json, *generator, found == samples.end() ? Samples{} : found->second);
      }
    }
    json.close_object();
  }
  json.close_array().close_object();
  respond->send(
      {.status = 200,
       .body = std::move(body),
       .headers = {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}}});
}

}  // namespace millrace::api
