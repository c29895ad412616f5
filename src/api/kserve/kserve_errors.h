// KServe's error body: {"error": "<message>"}. Statuses are the one table's (api/errors.h).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_types.h"

namespace millrace::api {

std::string kserve_error_body(std::string_view message);
net::HttpResponse kserve_error(const Error& error);

}  // namespace millrace::api
