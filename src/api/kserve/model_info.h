// What KServe's clients ask about a server and its models.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

// What the server's metadata list.
std::vector<const char*> kserve_extensions(const ApiContext& context);
std::string kserve_platform(const ModelDescription& model);  // "openvino_onnx"
// An input's or output's shape for people and clients: [-1] where not even the rank is known.
std::span<const std::int64_t> kserve_shape(const TensorSpec& spec);

// GET /v2: name, version, extensions.
void get_server_metadata(const ApiContext& context, const net::HttpRequest& http,
                         std::shared_ptr<net::Responder> respond);
// GET /v2/models/{model}[/versions/{version}]: inputs and outputs.
void get_model_metadata(const ApiContext& context, const net::HttpRequest& http,
                        std::shared_ptr<net::Responder> respond);
// GET …/config: the same as Triton's clients expect it; the batch is no dimension there.
void get_model_config(const ApiContext& context, const net::HttpRequest& http,
                      std::shared_ptr<net::Responder> respond);
// GET …/ready: 200 when the model serves.
void get_model_ready(const ApiContext& context, const net::HttpRequest& http,
                     std::shared_ptr<net::Responder> respond);
// GET …/stats, and /v2/models/stats for all.
void get_model_stats(const ApiContext& context, const net::HttpRequest& http,
                     std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
