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
  bool on_io_thread = false;  // probes are answered even when every worker is busy
};

constexpr Line kPublic[] = {
    {"POST", "/v1/chat/completions", post_chat}, {"POST", "/v1/completions", post_completions},
    {"GET", "/v1/models", get_models},           {"GET", "/v1/models/{model*}", get_model},
    {"POST", "/tokenize", post_tokenize},        {"POST", "/detokenize", post_detokenize},
    {"GET", "/health", get_ready, true},         {"GET", "/health/live", get_live, true},
    {"GET", "/health/ready", get_ready, true},   {"GET", "/version", get_version},
};

constexpr Line kAdmin[] = {
    {"GET", "/metrics", get_metrics},          {"GET", "/ping", get_live, true},
    {"GET", "/health", get_ready, true},       {"GET", "/health/live", get_live, true},
    {"GET", "/health/ready", get_ready, true}, {"GET", "/version", get_version},
    {"GET", "/models", get_model_states},
};

void add(net::Router& router, const Line& line, const ApiContext& context) {
  router.add({.method = line.method,
              .pattern = line.pattern,
              .handler =
                  [&context, handle = line.handle](net::HttpRequest http,
                                                   std::shared_ptr<net::Responder> respond) {
                    handle(context, http, std::move(respond));
                  },
              .on_io_thread = line.on_io_thread});
}

}  // namespace

void add_public_routes(net::Router& router, const ApiContext& context) {
  for (const Line& line : kPublic) add(router, line, context);
}

void add_admin_routes(net::Router& router, const ApiContext& context) {
  for (const Line& line : kAdmin) add(router, line, context);
}

}  // namespace millrace::api
