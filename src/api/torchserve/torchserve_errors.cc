#include "api/torchserve/torchserve_errors.h"

#include "api/errors.h"
#include "api/json_writer.h"

namespace millrace::api {
namespace {

// The names that its clients know.
const char* type_of(int status) {
  switch (status) {
    case 400:
    case 413:
    case 415:
      return "BadRequestException";
    case 404:
      return "ResourceNotFoundException";
    case 405:
      return "MethodNotAllowedException";
    case 409:
      return "ConflictStatusException";
    case 429:
    case 503:
      return "ServiceUnavailableException";
    case 504:
      return "RequestTimeoutException";
    default:
      return "InternalServerException";
  }
}

std::string body_of(int status, std::string_view type, std::string_view message) {
  std::string body;
  JsonWriter(body)
      .open_object()
      .field("code", status)
      .field("type", type)
      .field("message", message)
      .close_object();
  return body;
}

}  // namespace

std::string torchserve_error_body(int status, std::string_view message) {
  return body_of(status, type_of(status), message);
}

net::HttpResponse torchserve_error(const Error& error) {
  net::HttpResponse response = error_response(error);
  const bool no_model = response.status == 404 && error.param != "version";
  const char* type = no_model                 ? "ModelNotFoundException"
                     : response.status == 404 ? "ModelVersionNotFoundException"
                                              : type_of(response.status);
  response.body = body_of(response.status, type, error.message);
  return response;
}

}  // namespace millrace::api
