#include "api/openai/request_body.h"

#include <fmt/format.h>

#include <utility>

#include "api/errors.h"
#include "api/tracing.h"

namespace millrace::api {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool same_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

std::unexpected<Error> unsupported_media(std::string message) {
  return invalid(std::move(message), {}, "unsupported_media_type");
}

}  // namespace

Result<json::object> parse_body(const net::HttpRequest& http) {
  const std::string_view type = http.header("content-type");
  if (!same_ignoring_case(trimmed(type.substr(0, type.find(';'))), "application/json")) {
    return unsupported_media("Unsupported media type: expected 'application/json'.");
  }
  const std::string_view encoding = trimmed(http.header("content-encoding"));
  if (!encoding.empty() && !same_ignoring_case(encoding, "identity")) {
    return unsupported_media("Compressed request bodies are not accepted.");
  }
  auto parsed = parse_json(http.body);
  if (!parsed) return pass(parsed);
  if (!parsed->is_object()) {
    return invalid("The body must be a JSON object.", {}, "invalid_type");
  }
  return std::move(parsed->as_object());
}

Result<serving::ModelHandle> find_model(const ApiContext& context, const json::object& body) {
  const json::value* name = body.if_contains("model");
  if (!name || name->is_null()) return missing("model");
  if (!name->is_string()) return wrong_type("model", "a string", *name);
  auto model = context.text.find_model(name->as_string());
  if (!model && model.error().kind == ErrorKind::not_found) {
    model.error().message =
        fmt::format("The model {} does not exist.", safe_name(name->as_string()));
  }
  return model;
}

Result<WireRequest> parse_text_request(const ApiContext& context, const net::HttpRequest& http,
                                       const json::object& body, TimePoint began) {
  auto model = find_model(context, body);
  if (!model) return pass(model);
  WireRequest wire{.options = {.model = std::move(*model)}};
  wire.options.trace = begin_trace(context, http, "chat", wire.options.model->name(), began);
  wire.options.sampling = wire.options.model->description().default_sampling;
  wire.options.default_max_tokens = context.options.default_max_tokens;
  wire.max_choices = context.options.max_choices;
  if (auto ok = apply_headers(http, wire.options); !ok) return pass(ok);
  if (auto ok = parse_text_fields(body, wire); !ok) return pass(ok);
  if (!wire.stream) {
    wire.options.deadline =
        std::min(wire.options.deadline, wire.options.arrival + context.options.sync_deadline);
  }
  return wire;
}

}  // namespace millrace::api
