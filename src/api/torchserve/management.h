// The part of TorchServe's management API that needs no archives: describing, loading and taking
// down models that lie in the models folder. For operators: these routes are on the admin port
// only, and answer no web page (Origin).
#pragma once

#include <memory>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

// GET /models/{model}[/{version}]: a list of one description a version.
void get_torchserve_model(const ApiContext& context, const net::HttpRequest& http,
                          std::shared_ptr<net::Responder> respond);

// POST /models?url=NAME: loads the model of that name. Answers when it is there or has failed.
// Addresses and archives are refused.
void post_torchserve_model(const ApiContext& context, const net::HttpRequest& http,
                           std::shared_ptr<net::Responder> respond);
// DELETE /models/{model}: running requests end first; answers at once.
void delete_torchserve_model(const ApiContext& context, const net::HttpRequest& http,
                             std::shared_ptr<net::Responder> respond);
// PUT /models/{model}?min_worker=N: accepted and without effect: there are no workers to count.
void put_torchserve_model(const ApiContext& context, const net::HttpRequest& http,
                          std::shared_ptr<net::Responder> respond);
// PUT /models/{model}/{version}/set-default
void put_torchserve_default(const ApiContext& context, const net::HttpRequest& http,
                            std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
