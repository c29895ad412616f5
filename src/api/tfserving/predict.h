// POST /v1/models/{model}[/versions/{version}|/labels/{label}]:predict, :classify and :regress
#pragma once

#include <memory>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

void post_tfs_predict(const ApiContext& context, const net::HttpRequest& http,
                      std::shared_ptr<net::Responder> respond);
void post_tfs_classify(const ApiContext& context, const net::HttpRequest& http,
                       std::shared_ptr<net::Responder> respond);
void post_tfs_regress(const ApiContext& context, const net::HttpRequest& http,
                      std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
