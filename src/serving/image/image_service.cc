#include "serving/image/image_service.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

namespace millrace::serving {
namespace {

std::int64_t ns_since(TimePoint begin) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
}

bool serves(const Model& model, ImageTask task) {
  return model.image() && model.image()->task() == task;
}

std::vector<double> decode_bounds() {
  return {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1};
}

}  // namespace

// One request. Tasks and replies hold it together; the last picture to end answers. The model is
// named first: it goes last.
struct ImageService::Run {
  ModelHandle model;
  ImageRequest request;
  ImageReply reply;
  std::vector<Admission::Permit> permits;
  const Counts& counts;

  std::mutex mutex{};
  ImageAnswer answer{};
  std::optional<Error> error{};
  std::size_t num_open = 0;
  std::size_t decoded_bytes = 0;

  // False where all pictures together are too large.
  bool may_hold(std::size_t bytes) {
    std::lock_guard lock(mutex);
    decoded_bytes += bytes;
    return decoded_bytes <= kMaxDecodedBytes;
  }

  void note(std::int64_t ImageTimes::* time, std::int64_t ns) {
    std::lock_guard lock(mutex);
    answer.times.*time = std::max(answer.times.*time, ns);
  }

  void fail_with(Error why) {
    {
      std::lock_guard lock(mutex);
      if (!error) error = std::move(why);
    }
    request.stop.request_stop();  // the other pictures are not worth their work any more
    close_one();
  }

  void close_one() {
    {
      std::lock_guard lock(mutex);
      if (--num_open > 0) return;
    }
    permits.clear();
    if (error) return reply(std::unexpected(*std::move(error)));
    answer.times.whole = ns_since(request.arrival);
    reply(std::move(answer));
  }
};

ImageService::ImageService(ModelStore& store, TensorService& tensors, Admission& admission,
                           WorkerPool& workers, Metrics& metrics)
    : store_(store), tensors_(tensors), admission_(admission), workers_(workers) {
  const auto counts = [&](ImageTask task) {
    const MetricLabels labels{{"task", to_string(task)}};
    return Counts{
        .pictures = metrics.counter("millrace_images_total", "Pictures decoded", labels),
        .decode_seconds = metrics.histogram("millrace_image_decode_seconds",
                                            "Time to decode a picture", decode_bounds(), labels)};
  };
  classify_ = counts(ImageTask::classify);
  detect_ = counts(ImageTask::detect);
}

Result<ModelHandle> ImageService::find_model(ImageTask task, std::string_view name) const {
  if (!name.empty()) {
    auto model = store_.find(name);
    if (!model || serves(**model, task)) return model;
    if ((*model)->description().backend == "pipeline") {
      return invalid(
          fmt::format("This model is a pipeline, which has inputs and outputs of its own: "
                      "send the pictures to /v2/models/{}/infer.",
                      (*model)->name()),
          "model", "model_not_supported");
    }
    return invalid(fmt::format("This model does not {} pictures.", to_string(task)), "model",
                   "model_not_supported");
  }
  std::vector<std::string> names;
  ModelHandle only;
  for (const ModelStatus& status : store_.list()) {
    if (!status.model || !status.is_default || !serves(*status.model, task)) continue;
    names.push_back("'" + status.name + "'");
    only = status.model;
  }
  if (names.size() == 1) return only;
  if (names.empty()) {
    return fail(ErrorKind::not_found,
                fmt::format("No model that is loaded can {} pictures.", to_string(task)), "model",
                "model_not_found");
  }
  return invalid(fmt::format("Several models can {} pictures: {}. Name one.", to_string(task),
                             fmt::join(names, ", ")),
                 "model", "missing_required_parameter");
}

Status ImageService::start(ImageRequest request, ImageReply reply) {
  const std::size_t count = request.pictures.size();
  std::vector<Admission::Permit> permits;  // one a picture, handed on to the tensor service
  for (std::size_t i = 0; i < count; ++i) {
    auto permit = admission_.admit(request.tenant);
    if (!permit) return pass(permit);
    permits.push_back(*std::move(permit));
  }
  const Counts& counts =
      request.model->image()->task() == ImageTask::classify ? classify_ : detect_;
  ModelHandle model = request.model;
  auto run = std::make_shared<Run>(std::move(model), std::move(request), std::move(reply),
                                   std::move(permits), counts);
  run->answer.pictures.resize(count);
  run->num_open = count;
  for (std::size_t i = 0; i < count; ++i) {
    workers_.post([this, run, i] { prepare(run, i); });
  }
  return {};
}

void ImageService::prepare(const std::shared_ptr<Run>& run, std::size_t index) {
  const EncodedPicture& encoded = run->request.pictures[index];
  const auto named = [&](Error error) {
    if (error.param.empty()) error.param = encoded.param;
    return error;
  };
  const TimePoint began = Clock::now();
  auto picture = image::decode(encoded.bytes, run->request.stop.get_token());
  if (!picture) return run->fail_with(named(std::move(picture.error())));
  const std::int64_t decode_ns = ns_since(began);
  run->note(&ImageTimes::decode, decode_ns);
  run->counts.pictures.add(1);
  run->counts.decode_seconds.observe(static_cast<double>(decode_ns) * 1e-9);
  if (!run->may_hold(picture->rgb.size())) {
    return run->fail_with(
        named({.kind = ErrorKind::invalid_argument,
               .message = fmt::format("The pictures together have more than {} MiB when decoded.",
                                      kMaxDecodedBytes >> 20),
               .code = image::kInvalidImage}));
  }
  const TimePoint decoded = Clock::now();
  const image::TensorOptions& options = run->model->image()->tensor_options();
  const image::Fitted fitted = image::fit(*picture, options);
  auto tensor = std::make_shared<Buffer>(image::tensor_bytes(options));
  image::write_tensor(fitted.image, options, {tensor->data(), tensor->size()});
  run->note(&ImageTimes::preprocess, ns_since(decoded));
  run->answer.pictures[index].width = picture->width;
  run->answer.pictures[index].height = picture->height;
  if (Status ok = submit(run, index, fitted.placement, std::move(tensor)); !ok) {
    run->fail_with(std::move(ok.error()));
  }
}

namespace {

// What the model says of one picture.
Status interpret(const ImageRequest& request, const TensorAnswer& outputs,
                 const image::Placement& placement, PictureAnswer& picture) {
  const ImageModel& model = *request.model->image();
  if (model.task() == ImageTask::classify) {
    auto classes = model.classes_of(outputs.outputs, request.top_k);
    if (!classes) return pass(classes);
    picture.classes = *std::move(classes);
    return {};
  }
  auto found = model.detections_of(outputs.outputs, placement, picture.width, picture.height,
                                   request.score_threshold, request.max_detections);
  if (!found) return pass(found);
  picture.detections = *std::move(found);
  return {};
}

}  // namespace

Status ImageService::submit(const std::shared_ptr<Run>& run, std::size_t index,
                            const image::Placement& placement, std::shared_ptr<Buffer> tensor) {
  const ImageModel& model = *run->model->image();
  const Shape shape = image::tensor_shape(model.tensor_options());
  TensorRequest request{.model = run->model,
                        .tenant = run->request.tenant,
                        .inputs = {{.name = model.input_name(),
                                    .dtype = model.tensor_options().dtype,
                                    .dims = {shape.dims().begin(), shape.dims().end()},
                                    .data = {tensor->data(), tensor->size()}}},
                        .owner = std::move(tensor),
                        .arrival = run->request.arrival,
                        .deadline = run->request.deadline,
                        .stop = run->request.stop.get_token()};
  auto on_answer = [run, index, placement](Result<TensorAnswer> answer) {
    if (!answer) return run->fail_with(std::move(answer.error()));
    run->note(&ImageTimes::queue, answer->times.queue);
    run->note(&ImageTimes::infer, answer->times.input + answer->times.infer + answer->times.output);
    const Status read = interpret(run->request, *answer, placement, run->answer.pictures[index]);
    answer = std::unexpected(Error{});  // the outputs' memory is the model's
    read ? run->close_one() : run->fail_with(read.error());
  };
  return tensors_.infer(std::move(request), std::move(on_answer),
                        std::exchange(run->permits[index], {}));
}

}  // namespace millrace::serving
