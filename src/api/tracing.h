// Whether a request is traced: `x-trace: 1`, a `traceparent` whose sampled flag is set, or chance.
#pragma once

#include <string_view>

#include "api/context.h"
#include "base/trace.h"
#include "net/http_types.h"

namespace millrace::api {

// `began`: when the handler did. Empty for most requests.
TraceHandle begin_trace(const ApiContext& context, const net::HttpRequest& http,
                        std::string_view kind, std::string_view model, TimePoint began);

}  // namespace millrace::api
