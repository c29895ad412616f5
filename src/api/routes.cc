#include "api/routes.h"

#include <memory>
#include <utility>

#include "api/admin/health.h"
#include "api/openai/chat.h"
#include "api/openai/completions.h"
#include "api/openai/models.h"
#include "api/openai/tokenize.h"

namespace millrace::api {
namespace {

using Handle = void (*)(const ApiContext&, const net::HttpRequest&,
                        std::shared_ptr<net::Responder>);

struct Line {
  const char* method;
  const char* pattern;
  Handle handle;
};

constexpr Line kPublic[] = {
    {"POST", "/v1/chat/completions", post_chat},
    {"POST", "/v1/completions", post_completions},
    {"GET", "/v1/models", get_models},
    {"GET", "/v1/models/{model*}", get_model},
    {"POST", "/tokenize", post_tokenize},
    {"POST", "/detokenize", post_detokenize},
    {"GET", "/health", get_ready},
    {"GET", "/health/live", get_live},
    {"GET", "/health/ready", get_ready},
    {"GET", "/version", get_version},
};

constexpr Line kAdmin[] = {
    {"GET", "/metrics", get_metrics},     {"GET", "/ping", get_live},
    {"GET", "/health", get_ready},        {"GET", "/health/live", get_live},
    {"GET", "/health/ready", get_ready},  {"GET", "/version", get_version},
    {"GET", "/models", get_model_states},
};

void add(net::Router& router, const Line& line, const ApiContext& context) {
  router.add({.method = line.method,
              .pattern = line.pattern,
              .handler = [&context, handle = line.handle](net::HttpRequest http,
                                                          std::shared_ptr<net::Responder> respond) {
                handle(context, http, std::move(respond));
              }});
}

}  // namespace

void add_public_routes(net::Router& router, const ApiContext& context) {
  for (const Line& line : kPublic) add(router, line, context);
}

void add_admin_routes(net::Router& router, const ApiContext& context) {
  for (const Line& line : kAdmin) add(router, line, context);
}

}  // namespace millrace::api
