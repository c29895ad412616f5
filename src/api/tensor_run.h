// What the REST dialects of graph models share: finding the model that a path names, and running a
// request to its answer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

// A part of the path; empty where the route has none of that name.
std::string path_text(const net::HttpRequest& http, std::string_view name);

// The model of {model}, and of {version} or {label} where the path has one. Messages begin with the
// model's name.
Result<serving::ModelHandle> find_tensor_model(const ApiContext& context,
                                               const net::HttpRequest& http);

// A request to `model` with this call's arrival and deadline, and no inputs yet.
serving::TensorRequest tensor_request(const ApiContext& context, const net::HttpRequest& http,
                                      serving::ModelHandle model);

struct TensorDialect {
  std::function<Result<net::HttpResponse>(const serving::Model&, const serving::TensorAnswer&)>
      format;
  net::HttpResponse (*error)(const Error&) = nullptr;
};

// Runs it and answers; stops it when the client goes away.
void run_tensors(const ApiContext& context, serving::TensorRequest request,
                 std::shared_ptr<net::Responder> respond, TensorDialect dialect);

// invalid_argument where the body is compressed.
Status check_body_encoding(const net::HttpRequest& http);

}  // namespace millrace::api
