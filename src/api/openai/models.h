// GET /v1/models: the models that /v1 can ask; GET /v1/models/{id}: any model that is loaded.
#pragma once

#include <memory>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

void get_models(const ApiContext& context, const net::HttpRequest& http,
                std::shared_ptr<net::Responder> respond);
void get_model(const ApiContext& context, const net::HttpRequest& http,
               std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
