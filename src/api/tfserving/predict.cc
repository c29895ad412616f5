#include "api/tfserving/predict.h"

#include <utility>

#include "api/kserve/kserve_errors.h"
#include "api/tensor_run.h"
#include "api/tfserving/predict_request.h"
#include "api/tfserving/predict_response.h"

namespace millrace::api {
namespace {

// The error body is the same as KServe's.
// `parse` gives what `format` needs of the request.
template <class Parse, class Format>
void run(const ApiContext& context, const net::HttpRequest& http,
         std::shared_ptr<net::Responder> respond, Parse parse, Format format) {
  auto model = find_tensor_model(context, http);
  if (!model) return respond->send(kserve_error(model.error()));
  serving::TensorRequest request = tensor_request(context, http, *std::move(model));
  auto head = parse(http, request);
  if (!head) return respond->send(kserve_error(head.error()));
  run_tensors(context, std::move(request), std::move(respond),
              {.format =
                   [head = std::move(head), format](const serving::Model& served,
                                                    const serving::TensorAnswer& answer) {
                     return format(served.description(), head, answer);
                   },
               .error = kserve_error});
}

}  // namespace

void post_tfs_predict(const ApiContext& context, const net::HttpRequest& http,
                      std::shared_ptr<net::Responder> respond) {
  run(context, http, std::move(respond), parse_predict,
      [](const ModelDescription& model, const Result<PredictHead>& head,
         const serving::TensorAnswer& answer) { return format_predict(model, *head, answer); });
}

void post_tfs_classify(const ApiContext& context, const net::HttpRequest& http,
                       std::shared_ptr<net::Responder> respond) {
  run(context, http, std::move(respond), parse_examples,
      [](const ModelDescription& model, const Status&, const serving::TensorAnswer& answer) {
        return format_classify(model, answer);
      });
}

void post_tfs_regress(const ApiContext& context, const net::HttpRequest& http,
                      std::shared_ptr<net::Responder> respond) {
  run(context, http, std::move(respond), parse_examples,
      [](const ModelDescription& model, const Status&, const serving::TensorAnswer& answer) {
        return format_regress(model, answer);
      });
}

}  // namespace millrace::api
