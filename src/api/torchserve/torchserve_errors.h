// TorchServe's error body: {"code": 404, "type": "ModelNotFoundException", "message": "…"}.
// Statuses are the one table's (api/errors.h).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_types.h"

namespace millrace::api {

std::string torchserve_error_body(int status, std::string_view message);
net::HttpResponse torchserve_error(const Error& error);

}  // namespace millrace::api
