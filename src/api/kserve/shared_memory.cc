#include "api/kserve/shared_memory.h"

#include <string>
#include <utility>

#include "api/json_writer.h"
#include "api/kserve/kserve_errors.h"
#include "api/tensor_run.h"
#include "base/json.h"

namespace millrace::api {
namespace {

void done(net::Responder& respond) {
  respond.send({.status = 200, .body = "{}"});
}

// A browser's page has no shared memory to offer.
Status check_origin(const net::HttpRequest& http) {
  if (http.header("origin").empty()) return {};
  return invalid("Not to be asked from a web page.");
}

Result<std::uint64_t> size_in(const json::object& body, const char* key, bool required) {
  const json::value* value = body.if_contains(key);
  if (!value && !required) return std::uint64_t{0};
  const auto* number = value ? value->if_int64() : nullptr;
  if (number && *number >= 0) return static_cast<std::uint64_t>(*number);
  return invalid(std::string("'") + key + "' must be a whole number that is not negative", key);
}

Result<serving::SharedRegion> read_region(const net::HttpRequest& http) {
  const auto body = parse_json(http.body);
  if (!body) return std::unexpected(body.error());
  const auto* object = body->if_object();
  const json::value* key = object ? object->if_contains("key") : nullptr;
  if (!key || !key->is_string()) {
    return invalid("The body must be a JSON object with 'key', 'offset' and 'byte_size'.", "key");
  }
  const auto offset = size_in(*object, "offset", false);
  if (!offset) return std::unexpected(offset.error());
  const auto size = size_in(*object, "byte_size", true);
  if (!size) return std::unexpected(size.error());
  return serving::SharedRegion{.name = path_text(http, "region"),
                               .key = std::string(key->as_string()),
                               .offset = *offset,
                               .byte_size = *size};
}

}  // namespace

Result<serving::SharedMemory*> shared_memory_of(const ApiContext& context) {
  if (context.shared_memory) return context.shared_memory;
  return invalid(
      "Shared memory is not served; the server must be started with --enable-shared-memory.", {},
      "not_allowed");
}

Error no_cuda_shared_memory() {
  return {.kind = ErrorKind::invalid_argument,
          .message = "CUDA shared memory is not served; send tensors, or use system shared memory.",
          .code = "not_implemented"};
}

void get_shared_memory(const ApiContext& context, const net::HttpRequest& http,
                       std::shared_ptr<net::Responder> respond) {
  const auto memory = shared_memory_of(context);
  if (!memory) return respond->send(kserve_error(memory.error()));
  std::vector<serving::SharedRegion> regions;
  if (const std::string name = path_text(http, "region"); name.empty()) {
    regions = (*memory)->list();
  } else {
    auto region = (*memory)->find(name);
    if (!region) return respond->send(kserve_error(region.error()));
    regions.push_back(*std::move(region));
  }
  std::string body;
  JsonWriter json(body);
  json.open_array();
  for (const serving::SharedRegion& region : regions) {
    json.open_object().field("name", region.name).field("key", region.key);
    json.field("offset", region.offset).field("byte_size", region.byte_size).close_object();
  }
  json.close_array();
  respond->send({.status = 200, .body = std::move(body)});
}

void post_shared_memory_register(const ApiContext& context, const net::HttpRequest& http,
                                 std::shared_ptr<net::Responder> respond) {
  const auto memory = shared_memory_of(context);
  if (!memory) return respond->send(kserve_error(memory.error()));
  if (Status ok = check_origin(http); !ok) return respond->send(kserve_error(ok.error()));
  auto region = read_region(http);
  if (!region) return respond->send(kserve_error(region.error()));
  const Status added = (*memory)->add(*std::move(region));
  if (!added) return respond->send(kserve_error(added.error()));
  done(*respond);
}

void post_shared_memory_unregister(const ApiContext& context, const net::HttpRequest& http,
                                   std::shared_ptr<net::Responder> respond) {
  const auto memory = shared_memory_of(context);
  if (!memory) return respond->send(kserve_error(memory.error()));
  if (Status ok = check_origin(http); !ok) return respond->send(kserve_error(ok.error()));
  if (const std::string name = path_text(http, "region"); name.empty()) {
    (*memory)->clear();
  } else if (const Status removed = (*memory)->remove(name); !removed) {
    return respond->send(kserve_error(removed.error()));
  }
  done(*respond);
}

void get_cuda_shared_memory(const ApiContext&, const net::HttpRequest&,
                            std::shared_ptr<net::Responder> respond) {
  respond->send({.status = 200, .body = "[]"});
}

void post_cuda_shared_memory_register(const ApiContext&, const net::HttpRequest&,
                                      std::shared_ptr<net::Responder> respond) {
  respond->send(kserve_error(no_cuda_shared_memory()));
}

void post_cuda_shared_memory_unregister(const ApiContext&, const net::HttpRequest&,
                                        std::shared_ptr<net::Responder> respond) {
  done(*respond);
}

}  // namespace millrace::api
