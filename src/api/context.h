// What every handler may use. Made once in routes, lent to all.
#pragma once

#include <chrono>
#include <string>

#include "base/metrics.h"
#include "base/trace.h"
#include "serving/admission.h"
#include "serving/image/image_service.h"
#include "serving/model_store.h"
#include "serving/shared_memory.h"
#include "serving/tensor_service.h"
#include "serving/text_service.h"

namespace millrace::api {

struct ApiOptions {
  std::string version = "0.0.0";
  int max_choices = 8;                      // n
  int default_max_tokens = 4096;            // of a chat answer, where the request is silent
  std::chrono::seconds sync_deadline{300};  // of answers that are not streamed
  // Clients may load and unload models too, not the operator alone.
  bool allow_repository_control = false;
};

struct ApiContext {
  serving::ModelStore& store;
  serving::TextService& text;
  serving::TensorService& tensors;
  serving::ImageService& images;
  serving::Admission& admission;
  Metrics& metrics;
  TraceLog& traces;
  ApiOptions options;
  serving::SharedMemory* shared_memory = nullptr;  // null: clients may not use it
};

}  // namespace millrace::api
