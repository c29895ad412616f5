// The fields that chat and completions share, and the ones that both refuse.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "api/openai/schema.h"
#include "net/http_types.h"
#include "serving/text_request.h"

namespace millrace::api {

struct WireRequest {
  serving::TextOptions options;
  int max_choices = 8;  // limit of n, set by the server
  bool stream = false;
  bool has_stream_options = false;
  bool include_usage = false;
  bool continuous_usage = false;
  bool return_token_ids = false;
  bool has_logprobs = false;  // log-probabilities of the output were asked for
};

std::span<const Field<WireRequest>> text_fields();

// A field that cannot be honoured: refused when its value would change the answer, ignored when it
// asks for what happens anyway.
struct Refusal {
  std::string_view name;
  bool (*changes_answer)(const json::value&);
  std::string_view why;
};
std::span<const Refusal> refusals();
Status check_refusals(const json::object& body);

// All of the above, then what only shows when all fields are known.
Status parse_text_fields(const json::object& body, WireRequest& wire);

// x-slo-ttft-ms, x-slo-tpot-ms, x-request-timeout-ms, x-gateway-inference-fairness-id, the id.
Status apply_headers(const net::HttpRequest& http, serving::TextOptions& options);

// A list of token ids, or of strings, of at most max_items.
Result<std::vector<TokenId>> read_token_ids(std::string_view name, const json::value& value,
                                            std::size_t max_items);
Result<std::vector<std::string>> read_strings(std::string_view name, const json::value& value,
                                              std::size_t max_items, std::size_t max_bytes);

}  // namespace millrace::api
