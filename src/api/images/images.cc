#include "api/images/images.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "api/errors.h"
#include "api/images/image_request.h"
#include "api/json_writer.h"

namespace millrace::api {
namespace {

void write_class(JsonWriter& json, const serving::ImageModel& model, int index, float score) {
  json.field("label", model.label_of(index)).field("index", index).field("score", score);
}

void write_picture(JsonWriter& json, const serving::ImageModel& model, std::size_t index,
                   const serving::PictureAnswer& picture) {
  json.open_object().field("index", index);
  json.field("width", picture.width).field("height", picture.height);
  if (model.task() == serving::ImageTask::classify) {
    json.key("classes").open_array();
    for (const serving::ClassScore& found : picture.classes) {
      json.open_object();
      write_class(json, model, found.index, found.score);
      json.close_object();
    }
  } else {
    json.key("detections").open_array();
    for (const serving::Detection& found : picture.detections) {
      const serving::Box& box = found.box;
      json.open_object();
      write_class(json, model, found.index, found.score);
      json.key("box").open_object().field("x", box.left).field("y", box.top);
      json.field("width", box.right - box.left).field("height", box.bottom - box.top);
      json.close_object().close_object();
    }
  }
  json.close_array().close_object();
}

double milliseconds(std::int64_t ns) {
  const std::int64_t whole_us = ns / 1000;
  return static_cast<double>(whole_us) / 1000;
}

net::HttpResponse format(const serving::Model& model, const serving::ImageAnswer& answer) {
  net::HttpResponse response;
  JsonWriter json(response.body);
  json.open_object().field("object", "list").field("model", model.name());
  json.key("data").open_array();
  for (std::size_t i = 0; i < answer.pictures.size(); ++i) {
    write_picture(json, *model.image(), i, answer.pictures[i]);
  }
  json.close_array();
  const serving::ImageTimes& times = answer.times;
  json.key("timing").open_object();
  json.field("decode_ms", milliseconds(times.decode));
  json.field("preprocess_ms", milliseconds(times.preprocess));
  json.field("queue_ms", milliseconds(times.queue));
  json.field("infer_ms", milliseconds(times.infer));
  json.field("total_ms", milliseconds(times.whole));
  json.close_object().close_object();
  return response;
}

}  // namespace

void post_images(const ApiContext& context, serving::ImageTask task, net::HttpRequest& http,
                 std::shared_ptr<net::Responder> respond) {
  auto body = parse_image_request(http);
  if (!body) return respond->send(error_response(body.error()));
  const std::string& name = body->fields.model;
  auto model = context.images.find_model(task, name);
  if (!model) {
    Error& error = model.error();
    if (error.kind == ErrorKind::not_found && !name.empty()) {
      error.message = fmt::format("The model {} does not exist.", safe_name(name));
    }
    return respond->send(error_response(error));
  }
  const serving::ImageSettings& settings = (*model)->image()->settings();
  serving::ImageRequest request{
      .model = *model,
      .pictures = std::move(body->pictures),
      .owner = std::move(body->owner),
      .top_k = body->fields.top_k,
      .score_threshold =
          body->fields.threshold.value_or(static_cast<float>(settings.score_threshold)),
      .max_detections = body->fields.max_detections.value_or(settings.max_detections),
      .arrival = http.arrival,
      .deadline = http.arrival + context.options.sync_deadline};
  const std::stop_source stop = request.stop;
  const Status started = context.images.start(
      std::move(request),
      [respond, model = *std::move(model)](Result<serving::ImageAnswer> answer) {
        respond->send(answer ? format(*model, *answer) : error_response(answer.error()));
      });
  if (!started) return respond->send(error_response(started.error()));
  respond->on_disconnect([stop]() mutable { stop.request_stop(); });
}

}  // namespace millrace::api
