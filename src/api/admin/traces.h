// GET /traces and /traces/{id}: the last traced requests as Chrome's trace-event JSON, which
// https://ui.perfetto.dev opens. One process a request; spans that overlap without one holding the
// other lie on different threads.
#pragma once

#include <memory>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

// ?limit=N: the newest so many (100).
void get_traces(const ApiContext& context, const net::HttpRequest& http,
                std::shared_ptr<net::Responder> respond);
// All parts of the trace of that id: a caller may use its own for several requests.
void get_trace(const ApiContext& context, const net::HttpRequest& http,
               std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
