// POST /v2/models/{model}[/versions/{version}]/infer
#pragma once

#include <memory>
#include <string_view>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

// Largest body: the table of limits' row for tensors.
inline constexpr std::size_t kMaxTensorBodyBytes = std::size_t{64} << 20;
// Requests of so many bytes, raw tensors for the most part, are handed on in less time than waking
// a worker takes: they are handled on the io thread they come on.
inline constexpr std::size_t kMostInPlaceBytes = std::size_t{1} << 20;

// Takes the body: tensors are read where they lie.
void post_infer(const ApiContext& context, net::HttpRequest& http,
                std::shared_ptr<net::Responder> respond);

// Whether post_infer will be a matter of microseconds: a small body for a model whose executions
// are instant, or a short head and raw tensors. Such requests need no worker.
bool is_instant_infer(const ApiContext& context, const net::HttpRequest& http);

// The model of that name and version (empty: the one that serves); errors name the model.
Result<serving::ModelHandle> kserve_model(const ApiContext& context, std::string_view name,
                                          std::string_view version);
// The model that the path names; an error in the words of KServe's clients.
Result<serving::ModelHandle> kserve_model(const ApiContext& context, const net::HttpRequest& http);

}  // namespace millrace::api
