#include "api/images/images.h"

#include <gtest/gtest.h>

#include "api/fake_server.h"
#include "api/images/base64.h"
#include "api/images/image_request.h"

namespace millrace::api {
namespace {

TEST(Base64, StrictReading) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("TQ=="), "M");
  EXPECT_EQ(decode_base64("TWE="), "Ma");
  EXPECT_EQ(decode_base64("TWFu"), "Man");
  EXPECT_EQ(decode_base64("+/8A"), std::string("\xfb\xff\0", 3));
  for (const char* wrong : {"T", "TQ", "TQ=", "T===", "====", "TQ==TWFu", "TW Fu", "TWF\n", "TW-_",
                            "TR==", "TWF=", "TWFu=", "TQ=a", "\xff\xff\xff\xff"}) {
    EXPECT_FALSE(decode_base64(wrong)) << wrong;
  }
}

std::string encoded(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += i + j > bytes.size() ? '=' : kAlphabet[group >> (18 - 6 * j) & 0x3f];
    }
  }
  return out;
}

// Scores of a picture are the means of its channels.
class ChannelMeans final : public TensorModel {
 public:
  void infer(TensorBatch batch, TensorDone on_done) override {
    auto means = std::make_shared<std::vector<float>>();
    for (const auto part : batch.inputs.at(0).parts) {
      const std::span pixels(reinterpret_cast<const float*>(part.data()), part.size() / 4);
      for (std::size_t at = 0; at < pixels.size(); at += 64) {
        float sum = 0;
        for (std::size_t i = 0; i < 64; ++i) sum += pixels[at + i];
        means->push_back(sum / 64);
      }
    }
    TensorResult result;
    result.outputs.push_back(
        {.shape = Shape{batch.inputs[0].shape[0], 3}, .data = std::as_bytes(std::span(*means))});
    result.owner = std::move(means);
    on_done(std::move(result));
  }
  int max_concurrency() const override { return 1; }
};

Status make_channel_means(const ModelSpec&, serving::FakeServable& servable) {
  servable.tensors = std::make_unique<ChannelMeans>();
  servable.description.max_batch_size = 8;
  servable.description.inputs = {{.name = "x", .dtype = DType::f32, .shape = Shape{-1, 3, 8, 8}}};
  servable.description.outputs = {{.name = "y", .dtype = DType::f32, .shape = Shape{-1, 3}}};
  return {};
}

constexpr const char* kSettings =
    "[image]\ntask = \"classify\"\nlabels = [\"red\", \"green\", \"blue\"]\nsoftmax = false\n";

// 20 x 12 pixels of one colour, PNG.
const std::string kRed = *decode_base64(
    "iVBORw0KGgoAAAANSUhEUgAAABQAAAAMCAIAAADtbgqsAAAAFklEQVR42mP8z0A+"
    "YGIY1TyqedBqBgD9bwEXX8V6fAAAAABJRU5ErkJggg==");
const std::string kBlue = *decode_base64(
    "iVBORw0KGgoAAAANSUhEUgAAABQAAAAMCAIAAADtbgqsAAAAGUlEQVR42mNkYDjDQC5gYqAAjGoe1UxbzQBqNgDk9ZaUWg"
    "AAAABJRU5ErkJggg==");

class ImagesTest : public testing::Test {
 protected:
  Answer post(std::string content_type, std::string body, std::string query = {},
              const char* path = "/v1/images/classify") {
    auto http = FakeServer::request("POST", path, std::move(body));
    http.headers["content-type"] = std::move(content_type);
    http.query = std::move(query);
    return server.ask(std::move(http));
  }
  Answer post_json(const std::string& members) {
    return post("application/json", "{" + members + "}");
  }
  static std::string part(const std::string& name, const std::string& body) {
    return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + body + "\r\n";
  }
  Answer post_form(const std::string& parts) {
    return post("multipart/form-data; boundary=b", parts + "--b--\r\n");
  }

  FakeServer server{{}, make_channel_means, kSettings};
};

void expect_first(const Answer& answer, std::size_t picture, const char* label) {
  ASSERT_EQ(answer.status, 200) << answer.body;
  const json::value& data = answer.json.at("data").at(picture);
  EXPECT_EQ(data.at("index").as_int64(), static_cast<std::int64_t>(picture));
  EXPECT_EQ(data.at("width").as_int64(), 20);
  EXPECT_EQ(data.at("height").as_int64(), 12);
  EXPECT_EQ(data.at("classes").at(0).at("label").as_string(), label);
}

TEST_F(ImagesTest, TheThreeFormsOfARequest) {
  const std::string &red = kRed, &blue = kBlue;
  const Answer raw = post("image/png", red, "top_k=2&model=M&other=1");
  expect_first(raw, 0, "red");
  EXPECT_EQ(raw.json.at("object").as_string(), "list");
  EXPECT_EQ(raw.json.at("model").as_string(), "m");
  EXPECT_EQ(raw.json.at("data").at(0).at("classes").as_array().size(), 2u);
  EXPECT_FLOAT_EQ(raw.json.at("data").at(0).at("classes").at(0).at("score").to_number<float>(), 1);
  for (const char* time : {"decode_ms", "preprocess_ms", "queue_ms", "infer_ms", "total_ms"}) {
    EXPECT_GE(raw.json.at("timing").at(time).to_number<double>(), 0) << time;
  }
  const Answer form = post_form(part("image", red) + part("top_k", "1") + part("image", blue));
  expect_first(form, 0, "red");
  expect_first(form, 1, "blue");
  EXPECT_EQ(form.json.at("data").at(1).at("classes").as_array().size(), 1u);
  expect_first(post_json("\"image\":\"" + encoded(blue) + "\""), 0, "blue");
  const Answer two = post_json("\"images\":[\"data:image/png;base64," + encoded(blue) + "\",\"" +
                               encoded(red) + "\"],\"model\":\"m\",\"top_k\":3");
  expect_first(two, 0, "blue");
  expect_first(two, 1, "red");
}

TEST_F(ImagesTest, TheTaskIsShownWhereModelsAre) {
  const Answer models = server.ask(FakeServer::request("GET", "/v1/models"));
  EXPECT_EQ(models.json.at("data").at(0).at("task").as_string(), "classify");
  const Answer state = server.ask(FakeServer::request("GET", "/ui/state"));
  EXPECT_EQ(state.json.at("models").at(0).at("task").as_string(), "classify");
  EXPECT_NE(server.metrics.expose().find("millrace_images_total{task=\"classify\"}"),
            std::string::npos);
}

void expect_error(const Answer& answer, const char* code, const char* param, int status = 400) {
  EXPECT_EQ(answer.status, status) << answer.body;
  ASSERT_TRUE(answer.json.is_object()) << answer.body;
  EXPECT_EQ(answer.error("code"), code) << answer.body;
  EXPECT_EQ(answer.error("param"), param) << answer.body;
}

TEST_F(ImagesTest, FieldsThatAreWrong) {
  const std::string& red = kRed;
  const std::string picture = "\"image\":\"" + encoded(red) + "\"";
  expect_error(post("image/png", red, "top_k=0"), "value_out_of_range", "top_k");
  expect_error(post("image/png", red, "top_k=1001"), "value_out_of_range", "top_k");
  expect_error(post("image/png", red, "top_k=many"), "invalid_type", "top_k");
  expect_error(post("image/png", red, "top_k=1&top_k=1"), "invalid_value", "top_k");
  expect_error(post("image/png", red, "top_k=%zz"), "invalid_value", "top_k");
  expect_error(post("image/png", red, "threshold=1.5"), "value_out_of_range", "threshold");
  expect_error(post("image/png", red, "max_detections=0"), "value_out_of_range", "max_detections");
  expect_error(post("image/png", red, "model=none"), "model_not_found", "model", 404);
  expect_error(post("image/png", red, "", "/v1/images/detect"), "model_not_found", "model", 404);
  expect_error(post("image/png", red, "model=m", "/v1/images/detect"), "model_not_supported",
               "model");
  expect_error(post_json(picture + ",\"top_k\":\"5\""), "invalid_type", "top_k");
  expect_error(post_json(picture + ",\"images\":[]"), "invalid_value", "images");
  expect_error(post_json("\"image\":5"), "invalid_type", "image");
  expect_error(post_json("\"images\":\"x\""), "invalid_type", "images");
  expect_error(post_json("\"images\":[]"), "missing_required_parameter", "image");
  expect_error(post_json("\"model\":\"m\""), "missing_required_parameter", "image");
  expect_error(post_form(part("model", "m")), "missing_required_parameter", "image");
  expect_error(post_form(part("image", red) + part("model", "m") + part("model", "m")),
               "invalid_value", "model");
  std::string many, list;
  for (int i = 0; i < 17; ++i) {
    many += part("image", red);
    list += (i ? ",\"\"" : "\"\"");
  }
  expect_error(post_form(many), "value_out_of_range", "image");
  expect_error(post_json("\"images\":[" + list + "]"), "value_out_of_range", "images");
}

TEST_F(ImagesTest, BodiesThatAreWrong) {
  const std::string& red = kRed;
  expect_error(post("text/plain", red), "unsupported_media_type", "null", 415);
  expect_error(post("multipart/form-data", red), "invalid_multipart", "null");
  expect_error(post("multipart/form-data; boundary=b", red), "invalid_multipart", "null");
  expect_error(post("application/json", "[]"), "invalid_type", "null");
  expect_error(post("application/json", "{"), "invalid_json", "null");
}

TEST_F(ImagesTest, PicturesThatAreWrong) {
  const std::string& red = kRed;
  const auto sent = [&](const std::string& text) {
    return post_json("\"images\":[\"" + encoded(red) + "\",\"" + text + "\"]");
  };
  expect_error(sent("https://example.com/a.png"), "url_not_allowed", "images[1]");
  expect_error(sent("file:///etc/passwd"), "url_not_allowed", "images[1]");
  expect_error(sent("HTTP://x"), "url_not_allowed", "images[1]");
  expect_error(sent("data:image/png;base64"), "invalid_image", "images[1]");
  expect_error(sent("data:image/png,abc"), "invalid_image", "images[1]");
  expect_error(sent("data:video/jpeg;base64,aaaa"), "unsupported_media", "images[1]");
  expect_error(sent("not base64!"), "invalid_image", "images[1]");
  expect_error(sent("aaaa"), "unsupported_media", "images[1]");
  expect_error(sent(""), "invalid_image", "images[1]");
  expect_error(sent(encoded(red.substr(0, 50))), "invalid_image", "images[1]");
  expect_error(post("image/png", red.substr(0, 50)), "invalid_image", "image");
  expect_error(post("image/gif", "GIF89a"), "unsupported_media", "image");
  expect_error(post("image/png", ""), "invalid_image", "image");
  expect_error(post_form(part("image", red) + part("image", "%PDF")), "unsupported_media",
               "image[1]");
  EXPECT_EQ(server.admission.num_requests(), 0);
}

TEST_F(ImagesTest, WhoeverLeftIsNotWorkedFor) {
  auto http = FakeServer::request("POST", "/v1/images/classify", kRed);
  http.headers["content-type"] = "image/png";
  const auto respond = server.send(std::move(http));
  respond->disconnect();
  ASSERT_TRUE(respond->wait_done());  // answered or cancelled, and nothing is left
  server.workers.wait_idle();
  EXPECT_EQ(server.admission.num_requests(), 0);
}

TEST(ImageModelLoad, ATableThatDoesNotGoWithTheGraphFailsTheLoad) {
  FakeServer server({}, make_channel_means, "[image]\ntask = \"classify\"\nsize = [9, 9]\n");
  const auto models = server.store.list();
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(models[0].state, serving::ModelState::failed);
  EXPECT_EQ(models[0].error.message, "m.toml: [image] size: the graph wants [8, 8]");
}

}  // namespace
}  // namespace millrace::api
