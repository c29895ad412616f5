// KServe's model repository extension: what there is, loading and unloading. For operators: these
// routes are on the admin port, and on the public one where clients may use them too
// (ApiOptions::allow_repository_control). Web pages of another origin are refused.
#pragma once

#include <memory>
#include <string>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

// How KServe names a state, and why a model does not serve (empty where it does).
const char* repository_state(serving::ModelState state);
std::string repository_reason(const serving::ModelStatus& status);

// POST /v2/repository/index {"ready": bool}: name, version, state, reason of each
// version.
void post_repository_index(const ApiContext& context, const net::HttpRequest& http,
                           std::shared_ptr<net::Responder> respond);
// POST /v2/repository/models/{model}/load: loads what of it is to be served and has changed.
// Answers when it is there or has failed. Configurations and files in the request are refused.
void post_repository_load(const ApiContext& context, const net::HttpRequest& http,
                          std::shared_ptr<net::Responder> respond);
// POST /v2/repository/models/{model}/unload: running requests end first; answers at once.
void post_repository_unload(const ApiContext& context, const net::HttpRequest& http,
                            std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
