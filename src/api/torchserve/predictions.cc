#include "api/torchserve/predictions.h"

#include <utility>

#include "api/admin/health.h"
#include "api/json_writer.h"
#include "api/tensor_run.h"
#include "api/torchserve/prediction_body.h"
#include "api/torchserve/torchserve_errors.h"

namespace millrace::api {

void post_prediction(const ApiContext& context, net::HttpRequest& http,
                     std::shared_ptr<net::Responder> respond) {
  auto model = find_tensor_model(context, http);
  if (!model) return respond->send(torchserve_error(model.error()));
  serving::TensorRequest request = tensor_request(context, http, *std::move(model));
  const auto head = parse_prediction(http, request);
  if (!head) return respond->send(torchserve_error(head.error()));
  run_tensors(
      context, std::move(request), std::move(respond),
      {.format =
           [head = *head](const serving::Model& served, const serving::TensorAnswer& answer) {
             return format_prediction(served.description(), head, answer);
           },
       .error = torchserve_error});
}

void get_ping(const ApiContext& context, const net::HttpRequest&,
              std::shared_ptr<net::Responder> respond) {
  const bool live = is_live(context);
  std::string body;
  JsonWriter(body).open_object().field("status", live ? "Healthy" : "Unhealthy").close_object();
  respond->send({.status = live ? 200 : 503, .body = std::move(body)});
}

}  // namespace millrace::api
