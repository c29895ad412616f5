#include "loadgen/server_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace millrace::loadgen {
namespace {

constexpr std::chrono::seconds kTimeout{120};  // the first answer may wait for a model to load

Result<json::value> read_answer(const Result<net::ClientResponse>& response,
                                const std::string& what) {
  if (!response) return std::unexpected(response.error());
  auto body = parse_json(response->body);
  if (response->status != 200) {
    return fail(
        response->status == 404 ? ErrorKind::not_found : ErrorKind::unavailable,
        fmt::format("{} answered {}: {}", what, response->status, response->body.substr(0, 200)));
  }
  if (!body) return fail(ErrorKind::unavailable, what + " did not answer with JSON");
  return body;
}

const json::value* member(const json::value& value, std::string_view key) {
  const json::object* object = value.if_object();
  return object ? object->if_contains(key) : nullptr;
}

// A server that says what its models can do may list others too.
bool writes_text(const json::value& model) {
  const json::value* capabilities = member(model, "capabilities");
  if (!capabilities || !capabilities->is_array()) return true;
  return std::ranges::any_of(capabilities->as_array(), [](const json::value& one) {
    return one.is_string() && one.as_string() == "completions";
  });
}

net::Headers headers_of(const std::string& api_key) {
  net::Headers headers{{"Content-Type", "application/json"}};
  if (!api_key.empty()) headers.add("Authorization", "Bearer " + api_key);
  return headers;
}

}  // namespace

Result<json::value> ServerProbe::post(const std::string& path, std::string body) {
  return read_answer(client_.perform({.method = "POST",
                                      .target = target_.prefix + path,
                                      .headers = headers_of(api_key_),
                                      .body = std::move(body),
                                      .timeout = kTimeout}),
                     "POST " + path);
}

Result<std::string> ServerProbe::first_model() {
  const auto answer = read_answer(client_.perform({.target = target_.prefix + "/v1/models",
                                                   .headers = headers_of(api_key_),
                                                   .timeout = kTimeout}),
                                  "GET /v1/models");
  if (!answer) return std::unexpected(answer.error());
  const json::value* data = member(*answer, "data");
  for (const json::value& model : data && data->is_array() ? data->as_array() : json::array()) {
    const json::value* id = member(model, "id");
    if (id && id->is_string() && writes_text(model)) return std::string(id->as_string());
  }
  return fail(ErrorKind::not_found, "the server lists no model: name one with --model");
}

Result<int> ServerProbe::count_by_tokenize(const WorkloadOptions& options,
                                           const std::string& prompt) {
  json::object body{{"model", options.model}};
  if (options.api == Api::chat) {
    body["messages"] = json::array{json::object{{"role", "user"}, {"content", prompt}}};
  } else {
    body["prompt"] = prompt;
  }
  const auto answer = post("/tokenize", dump_json(body));
  if (!answer) return std::unexpected(answer.error());
  const json::value* count = member(*answer, "count");
  if (!count || !count->is_int64())
    return fail(ErrorKind::not_found, "/tokenize speaks another dialect");
  return static_cast<int>(count->as_int64());
}

Result<int> ServerProbe::count_by_usage(const Workload& workload, const std::string& prompt) {
  const auto answer = post(workload.path(), workload.counting_body(prompt));
  if (!answer) return std::unexpected(answer.error());
  const json::value* usage = member(*answer, "usage");
  const json::value* count = usage ? member(*usage, "prompt_tokens") : nullptr;
  if (!count || !count->is_int64())
    return fail(ErrorKind::unavailable, "the server's answers have no usage.prompt_tokens");
  return static_cast<int>(count->as_int64());
}

Result<PromptMaker> ServerProbe::calibrate(const WorkloadOptions& options, std::string& method) {
  if (count_by_tokenize(options, "Hello")) {
    method = "tokenize";
    return PromptMaker::calibrate(
        [&](const std::string& prompt) { return count_by_tokenize(options, prompt); });
  }
  method = "usage";
  const Workload workload(options, std::nullopt);
  return PromptMaker::calibrate(
      [&](const std::string& prompt) { return count_by_usage(workload, prompt); });
}

}  // namespace millrace::loadgen
