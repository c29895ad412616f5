#include "api/routes.h"

#include <memory>
#include <utility>

#include "api/admin/health.h"
#include "api/admin/traces.h"
#include "api/images/image_request.h"
#include "api/images/images.h"
#include "api/kserve/infer.h"
#include "api/kserve/model_info.h"
#include "api/kserve/repository.h"
#include "api/kserve/shared_memory.h"
#include "api/openai/chat.h"
#include "api/openai/completions.h"
#include "api/openai/models.h"
#include "api/openai/tokenize.h"
#include "api/tfserving/model_status.h"
#include "api/tfserving/predict.h"
#include "api/torchserve/management.h"
#include "api/torchserve/predictions.h"
#include "api/ui/files.h"
#include "api/ui/state.h"
#include "api/ui/trace.h"

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
    {"POST", "/v1/chat/completions", post_chat},
    {"POST", "/v1/completions", post_completions},
    {"GET", "/v1/models", get_models},
    {"GET", "/v1/models/{model*}", get_any_model},
    {"POST", "/tokenize", post_tokenize},
    {"POST", "/detokenize", post_detokenize},
    {"GET", "/health", get_ready, true},
    {"GET", "/health/live", get_live, true},
    {"GET", "/health/ready", get_ready, true},
    {"GET", "/version", get_version},
    {"GET", "/ping", get_ping, true},
};

constexpr Line kUi[] = {
    {"GET", "/", get_ui_file},
    {"GET", "/assets/{file}", get_ui_file},
    {"GET", "/ui/state", get_ui_state},
    {"GET", "/ui/trace", get_ui_trace},
};

// KServe v2, the Open Inference Protocol.
constexpr Line kKserve[] = {
    {"GET", "/v2", get_server_metadata},
    {"GET", "/v2/health/live", get_live, true},
    {"GET", "/v2/health/ready", get_ready, true},
    {"GET", "/v2/models/stats", get_model_stats},
    {"GET", "/v2/models/{model}", get_model_metadata},
    {"GET", "/v2/models/{model}/config", get_model_config},
    {"GET", "/v2/models/{model}/ready", get_model_ready},
    {"GET", "/v2/models/{model}/stats", get_model_stats},
    {"GET", "/v2/models/{model}/versions/{version}", get_model_metadata},
    {"GET", "/v2/models/{model}/versions/{version}/config", get_model_config},
    {"GET", "/v2/models/{model}/versions/{version}/ready", get_model_ready},
    {"GET", "/v2/models/{model}/versions/{version}/stats", get_model_stats},
    {"GET", "/v2/systemsharedmemory/status", get_shared_memory},
    {"GET", "/v2/systemsharedmemory/region/{region}/status", get_shared_memory},
    {"POST", "/v2/systemsharedmemory/region/{region}/register", post_shared_memory_register},
    {"POST", "/v2/systemsharedmemory/unregister", post_shared_memory_unregister},
    {"POST", "/v2/systemsharedmemory/region/{region}/unregister", post_shared_memory_unregister},
    {"GET", "/v2/cudasharedmemory/status", get_cuda_shared_memory},
    {"POST", "/v2/cudasharedmemory/region/{region}/register", post_cuda_shared_memory_register},
    {"POST", "/v2/cudasharedmemory/unregister", post_cuda_shared_memory_unregister},
};

// TensorFlow Serving. GET /v1/models/{model} is shared with OpenAI's: above.
constexpr Line kTfServing[] = {
    {"GET", "/v1/models/{model}/metadata", get_tfs_metadata},
    {"GET", "/v1/models/{model}/versions/{version}", get_tfs_status},
    {"GET", "/v1/models/{model}/versions/{version}/metadata", get_tfs_metadata},
    {"GET", "/v1/models/{model}/labels/{label}", get_tfs_status},
    {"GET", "/v1/models/{model}/labels/{label}/metadata", get_tfs_metadata},
};

// Their bodies are large, and taken instead of copied.
constexpr const char* kInfer[] = {"/v2/models/{model}/infer",
                                  "/v2/models/{model}/versions/{version}/infer"};

using HandleBody = void (*)(const ApiContext&, net::HttpRequest&, std::shared_ptr<net::Responder>);
template <Handle handle>
void reads_body(const ApiContext& context, net::HttpRequest& http,
                std::shared_ptr<net::Responder> respond) {
  handle(context, http, std::move(respond));
}

struct LargeLine {
  const char* method;
  const char* pattern;
  HandleBody handle;
};
constexpr LargeLine kTensors[] = {
    {"POST", "/v1/models/{model}:predict", reads_body<post_tfs_predict>},
    {"POST", "/v1/models/{model}:classify", reads_body<post_tfs_classify>},
    {"POST", "/v1/models/{model}:regress", reads_body<post_tfs_regress>},
    {"POST", "/v1/models/{model}/versions/{version}:predict", reads_body<post_tfs_predict>},
    {"POST", "/v1/models/{model}/versions/{version}:classify", reads_body<post_tfs_classify>},
    {"POST", "/v1/models/{model}/versions/{version}:regress", reads_body<post_tfs_regress>},
    {"POST", "/v1/models/{model}/labels/{label}:predict", reads_body<post_tfs_predict>},
    {"POST", "/v1/models/{model}/labels/{label}:classify", reads_body<post_tfs_classify>},
    {"POST", "/v1/models/{model}/labels/{label}:regress", reads_body<post_tfs_regress>},
    {"POST", "/predictions/{model}", post_prediction},
    {"PUT", "/predictions/{model}", post_prediction},
    {"POST", "/predictions/{model}/{version}", post_prediction},
    {"PUT", "/predictions/{model}/{version}", post_prediction},
};

struct PictureLine {
  const char* method;
  const char* pattern;
  serving::ImageTask task;
};
constexpr PictureLine kPictures[] = {
    {"POST", "/v1/images/classify", serving::ImageTask::classify},
    {"POST", "/v1/images/detect", serving::ImageTask::detect},
};

constexpr Line kAdmin[] = {
    {"GET", "/metrics", get_metrics},
    {"GET", "/ping", get_ping, true},
    {"GET", "/health", get_ready, true},
    {"GET", "/health/live", get_live, true},
    {"GET", "/health/ready", get_ready, true},
    {"GET", "/version", get_version},
    {"GET", "/models", get_model_states},
    {"GET", "/traces", get_traces},
    {"GET", "/traces/{id}", get_trace},
    {"POST", "/models", post_torchserve_model},
    {"GET", "/models/{model}", get_torchserve_model},
    {"PUT", "/models/{model}", put_torchserve_model},
    {"DELETE", "/models/{model}", delete_torchserve_model},
    {"GET", "/models/{model}/{version}", get_torchserve_model},
    {"PUT", "/models/{model}/{version}/set-default", put_torchserve_default},
};

constexpr Line kRepository[] = {
    {"POST", "/v2/repository/index", post_repository_index},
    {"POST", "/v2/repository/models/{model}/load", post_repository_load},
    {"POST", "/v2/repository/models/{model}/unload", post_repository_unload},
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

void add_infer(net::Router& router, const char* pattern, const ApiContext& context) {
  router.add(
      {.method = "POST",
       .pattern = pattern,
       .handler =
           [&context](net::HttpRequest http, std::shared_ptr<net::Responder> respond) {
             post_infer(context, http, std::move(respond));
           },
       .max_body_bytes = kMaxTensorBodyBytes,
       .is_instant =
           [&context](const net::HttpRequest& http) { return is_instant_infer(context, http); }});
}

void add(net::Router& router, const LargeLine& line, const ApiContext& context) {
  router.add({.method = line.method,
              .pattern = line.pattern,
              .handler =
                  [&context, handle = line.handle](net::HttpRequest http,
                                                   std::shared_ptr<net::Responder> respond) {
                    handle(context, http, std::move(respond));
                  },
              .max_body_bytes = kMaxTensorBodyBytes});
}

void add_pictures(net::Router& router, const PictureLine& line, const ApiContext& context) {
  router.add({.method = line.method,
              .pattern = line.pattern,
              .handler =
                  [&context, task = line.task](net::HttpRequest http,
                                               std::shared_ptr<net::Responder> respond) {
                    post_images(context, task, http, std::move(respond));
                  },
              .max_body_bytes = kMaxImageBodyBytes});
}

}  // namespace

void add_public_routes(net::Router& router, const ApiContext& context) {
  for (const Line& line : kPublic) add(router, line, context);
  for (const Line& line : kUi) add(router, line, context);
  for (const Line& line : kKserve) add(router, line, context);
  for (const char* pattern : kInfer) add_infer(router, pattern, context);
  for (const PictureLine& line : kPictures) add_pictures(router, line, context);
  for (const Line& line : kTfServing) add(router, line, context);
  for (const LargeLine& line : kTensors) add(router, line, context);
  if (!context.options.allow_repository_control) return;
  for (const Line& line : kRepository) add(router, line, context);
}

void add_admin_routes(net::Router& router, const ApiContext& context) {
  for (const Line& line : kAdmin) add(router, line, context);
  for (const Line& line : kRepository) add(router, line, context);
}

}  // namespace millrace::api
