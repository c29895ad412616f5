// What TensorFlow Serving's clients ask about a model.
#pragma once

#include <memory>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

// GET /v1/models/{model}[/versions/{version}|/labels/{label}]: the state of all versions, or of
// that one; also of models that are loading or have failed.
void get_tfs_status(const ApiContext& context, const net::HttpRequest& http,
                    std::shared_ptr<net::Responder> respond);
// GET …/metadata: inputs and outputs of every signature.
void get_tfs_metadata(const ApiContext& context, const net::HttpRequest& http,
                      std::shared_ptr<net::Responder> respond);

// GET /v1/models/{model} is asked by clients of OpenAI too: they are answered for models that
// generate text, TensorFlow Serving's for the rest.
void get_any_model(const ApiContext& context, const net::HttpRequest& http,
                   std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
