// From a request about pictures to its fields and the pictures' bytes: a form, JSON, or the picture
// itself as the body.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/http_types.h"
#include "serving/image/image_service.h"

namespace millrace::api {

// Base64 makes a picture of 20 MiB 27 MiB.
inline constexpr std::size_t kMaxImageBodyBytes = std::size_t{32} << 20;

struct ImageFields {
  std::string model{};  // empty: the only one
  std::size_t top_k = 5;
  std::optional<float> threshold{};     // empty: the model's
  std::optional<int> max_detections{};  // empty: the model's
};

struct ImageBody {
  ImageFields fields{};
  std::vector<serving::EncodedPicture> pictures{};  // 1 to 16
  std::shared_ptr<const void> owner{};              // keeps their bytes
};

// Takes the body. Looks at no picture. Errors name the field in `param`.
Result<ImageBody> parse_image_request(net::HttpRequest& http);

}  // namespace millrace::api
