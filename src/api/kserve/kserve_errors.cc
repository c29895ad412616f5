#include "api/kserve/kserve_errors.h"

#include "api/errors.h"
#include "api/json_writer.h"

namespace millrace::api {

std::string kserve_error_body(std::string_view message) {
  std::string body;
  JsonWriter(body).open_object().field("error", message).close_object();
  return body;
}

net::HttpResponse kserve_error(const Error& error) {
  net::HttpResponse response = error_response(error);
  response.body = kserve_error_body(error.message);
  return response;
}

}  // namespace millrace::api
