// POST /v1/images/classify and /v1/images/detect
#pragma once

#include <memory>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

// Takes the body: pictures are read where they lie.
void post_images(const ApiContext& context, serving::ImageTask task, net::HttpRequest& http,
                 std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
