// ImageService: encoded pictures in, classes or boxes out. Decodes and fits on workers, a task a
// picture, then asks the model's batcher; the pictures of one request may share a batch. Knows no
// wire format. Thread-safe; never blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/worker_pool.h"
#include "image/decode.h"
#include "serving/image/image_model.h"
#include "serving/tensor_service.h"
#include "tensor/buffer.h"

namespace millrace::serving {

// Codes of errors about what is no picture, or one of no known kind.
using image::kInvalidImage;
using image::kUnsupportedMedia;
inline constexpr std::size_t kMaxPictures = 16;                          // of a request
inline constexpr std::size_t kMaxDecodedBytes = std::size_t{256} << 20;  // of all of them

struct EncodedPicture {
  std::span<const std::byte> bytes{};
  std::string param{};  // what errors call it: "images[1]"
};

struct ImageRequest {
  ModelHandle model{};  // has image()
  std::string tenant{};
  std::vector<EncodedPicture> pictures{};  // 1 to kMaxPictures
  std::shared_ptr<const void> owner{};     // keeps their bytes
  std::size_t top_k = 5;
  float score_threshold = 0;
  int max_detections = 100;
  TimePoint arrival = Clock::now();
  TimePoint deadline = kNever;
  std::stop_source stop{};  // to be requested when the client leaves; the service does on an error
};

struct PictureAnswer {
  int width = 0;  // of the upright picture
  int height = 0;
  std::vector<ClassScore> classes{};
  std::vector<Detection> detections{};
};

// Nanoseconds; of several pictures the longest.
struct ImageTimes {
  std::int64_t decode = 0;
  std::int64_t preprocess = 0;
  std::int64_t queue = 0;
  std::int64_t infer = 0;
  std::int64_t whole = 0;  // from arrival to the answer
};

struct ImageAnswer {
  std::vector<PictureAnswer> pictures{};  // in the request's order
  ImageTimes times{};
};
using ImageReply = std::move_only_function<void(Result<ImageAnswer>)>;

class ImageService {
 public:
  // Borrows all; they outlive the service and its requests.
  ImageService(ModelStore& store, TensorService& tensors, Admission& admission, WorkerPool& workers,
               Metrics& metrics);

  // The model of that name, or without a name the only one that serves the task. Errors name
  // `model`.
  Result<ModelHandle> find_model(ImageTask task, std::string_view name) const;

  // An error means that nothing runs and `reply` is not called; otherwise it is called once, on a
  // worker, with the first error of any picture.
  Status start(ImageRequest request, ImageReply reply);

 private:
  struct Run;
  struct Counts {
    CounterRef pictures;
    HistogramRef decode_seconds;
  };
  void prepare(const std::shared_ptr<Run>& run, std::size_t index);
  Status submit(const std::shared_ptr<Run>& run, std::size_t index,
                const image::Placement& placement, std::shared_ptr<Buffer> tensor);

  ModelStore& store_;
  TensorService& tensors_;
  Admission& admission_;
  WorkerPool& workers_;
  Counts classify_, detect_;
};

}  // namespace millrace::serving
