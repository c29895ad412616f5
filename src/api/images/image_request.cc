#include "api/images/image_request.h"

#include <fmt/format.h>

#include <deque>
#include <string_view>
#include <utility>

#include "api/errors.h"
#include "api/images/base64.h"
#include "api/openai/schema.h"
#include "base/json.h"
#include "net/multipart.h"
#include "net/request_target.h"

namespace millrace::api {
namespace {

using F = Field<ImageFields>;
constexpr int kMaxTopK = 1000;

const F kFields[] = {
    F{"model",
      F::SetString([](ImageFields& f, std::string value) { f.model = std::move(value); }),
      {.min = 1, .max = 256},
      "the only one with the task",
      "the model"},
    F{"top_k",
      F::SetInteger(
          [](ImageFields& f, std::int64_t value) { f.top_k = static_cast<std::size_t>(value); }),
      {.min = 1, .max = kMaxTopK},
      "5",
      "classes in the answer"},
    F{"threshold",
      F::SetNumber([](ImageFields& f, double value) { f.threshold = static_cast<float>(value); }),
      {.min = 0, .max = 1},
      "the model's",
      "the lowest score of a detection"},
    F{"max_detections",
      F::SetInteger(
          [](ImageFields& f, std::int64_t value) { f.max_detections = static_cast<int>(value); }),
      {.min = 1, .max = serving::kMaxDetections},
      "the model's",
      "the best so many"},
};

// What the pictures' bytes are views of.
struct Kept {
  std::string body;
  std::deque<std::string> decoded{};
};

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::unexpected<Error> twice(std::string_view name) {
  return invalid(fmt::format("'{}' is given twice.", name), std::string(name), "invalid_value");
}

std::unexpected<Error> too_many(std::string_view param) {
  return invalid(fmt::format("At most {} pictures may be sent at once.", serving::kMaxPictures),
                 std::string(param), "value_out_of_range");
}

// A field that came as text: what looks like a number is one, as it would be in JSON.
json::value value_of_text(std::string_view name, std::string_view text) {
  if (name != "model") {
    if (auto number = parse_json(text); number && number->is_number()) return *std::move(number);
  }
  return json::value(text);
}

Status add_text(json::object& fields, std::string_view name, std::string_view text) {
  if (fields.contains(name)) return twice(name);
  fields.emplace(name, value_of_text(name, text));
  return {};
}

bool is_field(std::string_view name) {
  for (const F& field : kFields) {
    if (field.name == name) return true;
  }
  return false;
}

Result<std::string> decode_text(std::string_view text, const std::string& param) {
  if (text.starts_with("data:")) {
    const auto comma = text.substr(0, 256).find(',');
    if (comma == std::string_view::npos) {
      return invalid("The data: URL has no ','.", param, serving::kInvalidImage);
    }
    const std::string_view head = text.substr(5, comma - 5);
    if (!head.starts_with("image/")) {
      return invalid("The data: URL is not of a picture.", param, serving::kUnsupportedMedia);
    }
    if (!head.ends_with(";base64")) {
      return invalid("The data: URL must be base64.", param, serving::kInvalidImage);
    }
    text.remove_prefix(comma + 1);
  } else if (text.substr(0, 64).find(':') != std::string_view::npos) {
    return invalid("Pictures are not fetched from URLs. Send the picture itself.", param,
                   "url_not_allowed");
  }
  auto decoded = decode_base64(text);
  if (!decoded) return invalid("The picture is not valid base64.", param, serving::kInvalidImage);
  return *std::move(decoded);
}

Status add_json_picture(const json::value& value, std::string param, Kept& kept, ImageBody& out) {
  if (!value.is_string()) return wrong_type(param, "a string", value);
  auto decoded = decode_text(value.as_string(), param);
  if (!decoded) return pass(decoded);
  kept.decoded.push_back(*std::move(decoded));
  out.pictures.push_back({bytes_of(kept.decoded.back()), std::move(param)});
  return {};
}

Status read_json(Kept& kept, ImageBody& out) {
  auto parsed = parse_json(kept.body, {.max_bytes = kMaxImageBodyBytes});
  if (!parsed) return pass(parsed);
  if (!parsed->is_object()) {
    return invalid("The body must be a JSON object.", {}, "invalid_type");
  }
  const json::object& body = parsed->as_object();
  if (Status ok = parse_fields<ImageFields>(kFields, body, out.fields); !ok) return ok;
  const json::value* one = body.if_contains("image");
  const json::value* many = body.if_contains("images");
  if (one && !one->is_null()) {
    if (many && !many->is_null()) {
      return invalid("Give 'image' or 'images', not both.", "images", "invalid_value");
    }
    return add_json_picture(*one, "image", kept, out);
  }
  if (!many || many->is_null()) return missing("image");
  if (!many->is_array()) return wrong_type("images", "an array", *many);
  if (many->as_array().size() > serving::kMaxPictures) return too_many("images");
  for (const json::value& value : many->as_array()) {
    auto param = fmt::format("images[{}]", out.pictures.size());
    if (Status ok = add_json_picture(value, std::move(param), kept, out); !ok) return ok;
  }
  return {};
}

Status read_form(std::string_view content_type, Kept& kept, ImageBody& out) {
  const auto boundary = net::form_boundary(content_type);
  if (!boundary) {
    return invalid("The Content-Type names no proper boundary.", {}, "invalid_multipart");
  }
  const auto parts = net::parse_multipart(kept.body, *boundary);
  if (!parts) return std::unexpected(parts.error());
  json::object fields;
  for (const net::FormPart& part : *parts) {
    if (part.name == "image" || part.name == "image[]") {
      if (out.pictures.size() == serving::kMaxPictures) return too_many("image");
      out.pictures.push_back({bytes_of(part.body), "image"});
    } else if (is_field(part.name)) {
      if (Status ok = add_text(fields, part.name, part.body); !ok) return ok;
    }
  }
  if (out.pictures.size() > 1) {
    for (std::size_t i = 0; i < out.pictures.size(); ++i) {
      out.pictures[i].param = fmt::format("image[{}]", i);
    }
  }
  return parse_fields<ImageFields>(kFields, fields, out.fields);
}

Status read_raw(std::string_view query, const Kept& kept, ImageBody& out) {
  json::object fields;
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    const auto equals = pair.find('=');
    const std::string_view name = pair.substr(0, equals);
    if (!is_field(name)) continue;
    const auto value = net::percent_decode(
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1));
    if (!value) {
      return invalid("A percent escape of the query is broken.", std::string(name),
                     "invalid_value");
    }
    if (Status ok = add_text(fields, name, *value); !ok) return ok;
  }
  out.pictures.push_back({bytes_of(kept.body), "image"});
  return parse_fields<ImageFields>(kFields, fields, out.fields);
}

std::string lower_media_type(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (type.ends_with(' ') || type.ends_with('\t')) type.pop_back();
  for (char& c : type) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return type;
}

}  // namespace

Result<ImageBody> parse_image_request(net::HttpRequest& http) {
  const std::string_view content_type = http.header("content-type");
  const std::string type = lower_media_type(content_type);
  const std::string_view encoding = http.header("content-encoding");
  if (!encoding.empty() && !net::equal_ignoring_case(encoding, "identity")) {
    return invalid("Compressed request bodies are not accepted.", {}, "unsupported_media_type");
  }
  auto kept = std::make_shared<Kept>(std::move(http.body));
  ImageBody out{.owner = kept};
  Status read;
  if (type == "multipart/form-data") {
    read = read_form(content_type, *kept, out);
  } else if (type == "application/json") {
    read = read_json(*kept, out);
  } else if (type.starts_with("image/") || type == "application/octet-stream") {
    read = read_raw(http.query, *kept, out);
  } else {
    return invalid(
        "Unsupported media type: expected 'multipart/form-data', 'application/json' or 'image/…'.",
        {}, "unsupported_media_type");
  }
  if (!read) return pass(read);
  if (out.pictures.empty()) return missing("image");
  return out;
}

}  // namespace millrace::api
