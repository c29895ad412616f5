// GET /ui/trace: where the time of the last traced requests went, for the web UI's timeline. Names
// of stages, models and steps, times: nothing that anybody asked or was answered, nor who asked.
//
//   {"traces":[{"id":"4bf9…","model":"smollm2","kind":"chat","start_ms":1767225600000.125,
//               "done":true,"spans":[{"name":"request","start_us":0,"duration_us":8500,"depth":0},…]}]}
//
// The newest first, at most 50. kind: "chat" (completions too), "tensor", "pipeline". start_ms is
// since 1970; start_us is since start_ms. Spans are sorted by start; the one of depth 0 is the
// whole request and is there once it is done.
#pragma once

#include <memory>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

void get_ui_trace(const ApiContext& context, const net::HttpRequest& http,
                  std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
