// Liveness, readiness, version, metrics.
#pragma once

#include <memory>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

// 503 once an engine with work has made no step for this long: the process should be restarted.
inline constexpr double kMaxStepAgeSeconds = 10;

// Every engine that has work makes progress.
bool is_live(const ApiContext& context);

// Follows the engines' progress, not this thread's. No detail in the body.
void get_live(const ApiContext& context, const net::HttpRequest& http,
              std::shared_ptr<net::Responder> respond);
// 200 when every load is done and a model serves, 503 before, and while shutting down.
void get_ready(const ApiContext& context, const net::HttpRequest& http,
               std::shared_ptr<net::Responder> respond);
void get_version(const ApiContext& context, const net::HttpRequest& http,
                 std::shared_ptr<net::Responder> respond);
// Prometheus' text format.
void get_metrics(const ApiContext& context, const net::HttpRequest& http,
                 std::shared_ptr<net::Responder> respond);
// Every model with state, progress, sizes; failures with their reason. Operators only.
void get_model_states(const ApiContext& context, const net::HttpRequest& http,
                      std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
