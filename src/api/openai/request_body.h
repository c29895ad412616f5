// From the HTTP request to a JSON object and the model it names: the first checks of every POST.
#pragma once

#include <string_view>

#include "api/context.h"
#include "api/openai/text_fields.h"
#include "base/json.h"
#include "base/result.h"
#include "net/http_types.h"

namespace millrace::api {

// Content-Type is JSON, nothing is compressed, the body is one strict JSON object.
Result<json::object> parse_body(const net::HttpRequest& http);

// The model that the body names. not_found says which was asked for.
Result<serving::ModelHandle> find_model(const ApiContext& context, const json::object& body);

// What generating endpoints do first: model, its defaults, headers, the shared fields, deadline.
// `began`: when the handler did.
Result<WireRequest> parse_text_request(const ApiContext& context, const net::HttpRequest& http,
                                       const json::object& body, TimePoint began);

}  // namespace millrace::api
