// POST and PUT /predictions/{model}[/{version}], and GET /ping
#pragma once

#include <memory>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

// Takes the body.
void post_prediction(const ApiContext& context, net::HttpRequest& http,
                     std::shared_ptr<net::Responder> respond);

// {"status":"Healthy"}, as long as the server is live; else 503 and "Unhealthy".
void get_ping(const ApiContext& context, const net::HttpRequest& http,
              std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
