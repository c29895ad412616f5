// GET /ui/state: what the Models and Live pages show. Numbers and names of models only: nothing
// that anybody asked or was answered, no paths, no reasons of failures (those are the operators',
// on the admin port).
#pragma once

#include <memory>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

// Counters only ever grow: the reader takes differences. Costs about what a scrape costs.
void get_ui_state(const ApiContext& context, const net::HttpRequest& http,
                  std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
