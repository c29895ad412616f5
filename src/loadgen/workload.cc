#include "loadgen/workload.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

namespace millrace::loadgen {
namespace {

enum Stream : std::uint64_t { kShape = 1, kContent = 2, kPrefix = 3 };

constexpr int kFirstTokenId = 1000;  // below lie special tokens and single bytes

}  // namespace

Workload::Workload(WorkloadOptions options, std::optional<PromptMaker> maker)
    : options_(std::move(options)), maker_(std::move(maker)), head_(1, '{') {
  if (!options_.model.empty())
    head_ += fmt::format("\"model\":{},", dump_json(json::string(options_.model)));
  head_ +=
      options_.api == Api::chat ? "\"messages\":[{\"role\":\"user\",\"content\":" : "\"prompt\":";
  json::object fields;
  fields["temperature"] = options_.temperature;
  if (options_.ignore_eos) fields["ignore_eos"] = true;
  for (const auto& [key, value] : options_.extra) fields[key] = value;
  for (const auto& [key, value] : fields)
    tail_ += fmt::format(",{}:{}", dump_json(json::string(key)), dump_json(value));
}

const char* Workload::path() const {
  return options_.api == Api::chat ? "/v1/chat/completions" : "/v1/completions";
}

std::string Workload::body(const std::string& prompt_json, int max_tokens, bool stream) const {
  std::string out;
  out.reserve(head_.size() + prompt_json.size() + tail_.size() + 128);
  out.append(head_).append(prompt_json);
  if (options_.api == Api::chat) out += "}]";
  fmt::format_to(std::back_inserter(out), ",\"max_tokens\":{},\"stream\":{}", max_tokens, stream);
  if (stream && options_.want_usage) out += ",\"stream_options\":{\"include_usage\":true}";
  return out.append(tail_).append("}");
}

std::string Workload::ids_text(int tokens, Random& random, Random& prefix) const {
  const int lowest = options_.token_id_limit > 2 * kFirstTokenId ? kFirstTokenId : 0;
  std::uniform_int_distribution<int> ids(lowest, options_.token_id_limit - 1);
  std::string text = "[";
  for (int i = 0; i < options_.prefix_tokens + tokens; ++i) {
    const int id = ids(i < options_.prefix_tokens ? prefix : random);
    fmt::format_to(std::back_inserter(text), "{}{}", i == 0 ? "" : ",", id);
  }
  return text + "]";
}

RequestPlan Workload::request(std::uint64_t index) const {
  Random shape = random_for(options_.seed, kShape, index);
  Random content = random_for(options_.seed, kContent, index);
  RequestPlan plan;
  const int own_tokens = options_.prompt.draw(shape);
  plan.max_tokens = options_.output.draw(shape);
  std::uniform_int_distribution<int> groups(0, options_.prefix_groups - 1);
  Random prefix = random_for(options_.seed, kPrefix, static_cast<std::uint64_t>(groups(shape)));
  plan.prompt_tokens = options_.prefix_tokens + own_tokens;
  if (options_.token_id_limit > 0) {
    plan.body = body(ids_text(own_tokens, content, prefix), plan.max_tokens, true);
    return plan;
  }
  const auto made = maker_->make(plan.prompt_tokens, content, options_.prefix_tokens, prefix);
  plan.prompt_tokens = made.tokens;
  plan.body = body("\"" + made.text + "\"", plan.max_tokens, true);  // words need no escapes
  return plan;
}

std::string Workload::counting_body(const std::string& prompt) const {
  return body(dump_json(json::string(prompt)), 1, false);
}

}  // namespace millrace::loadgen
