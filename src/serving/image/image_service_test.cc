#include "serving/image/image_service.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <fstream>
#include <mutex>

#include "base/log.h"
#include "image/encode.h"
#include "serving/fake_model.h"

namespace millrace::serving {
namespace {

// Scores are the first number of each channel.
class FirstPixels final : public TensorModel {
 public:
  void infer(TensorBatch batch, TensorDone on_done) override {
    auto firsts = std::make_shared<std::vector<float>>();
    for (const auto part : batch.inputs.at(0).parts) {
      const auto* pixels = reinterpret_cast<const float*>(part.data());
      for (std::size_t at = 0; at < part.size() / sizeof(float); at += 16) {
        firsts->push_back(pixels[at]);
      }
    }
    TensorResult result;
    result.outputs.push_back(
        {.shape = Shape{batch.inputs[0].shape[0], 3}, .data = std::as_bytes(std::span(*firsts))});
    result.owner = std::move(firsts);
    on_done(std::move(result));
  }
  int max_concurrency() const override { return 1; }
};

class ImageServiceTest : public testing::Test {
 protected:
  explicit ImageServiceTest(int max_requests = 100) : admission{{.max_requests = max_requests}} {
    set_log_level(LogLevel::error);
    backend.prepare = [](const ModelSpec&, FakeServable& servable) -> Status {
      servable.tensors = std::make_unique<FirstPixels>();
      servable.description.max_batch_size = 4;
      servable.description.inputs = {
          {.name = "x", .dtype = DType::f32, .shape = Shape{-1, 3, 4, 4}}};
      servable.description.outputs = {{.name = "y", .dtype = DType::f32, .shape = Shape{-1, 3}}};
      return {};
    };
  }
  void add(const std::string& name, const std::string& table) {
    folder.file(name + "/weights.fake");
    std::ofstream(folder.path() / name / "model.toml") << table;
  }
  void open() {
    ASSERT_TRUE(store.open());
    ASSERT_TRUE(store.wait_until_loaded(std::chrono::seconds(5)));
  }
  static std::string png(image::Colour colour) {
    return *image::encode_png(image::filled(8, 6, colour));
  }
  // One request, and its answer.
  Result<ImageAnswer> ask(const std::vector<std::string>& pictures) {
    ImageRequest request{.model = *images.find_model(ImageTask::classify, "one")};
    for (const std::string& picture : pictures) {
      request.pictures.push_back({.bytes = std::as_bytes(std::span(picture)),
                                  .param = "p" + std::to_string(request.pictures.size())});
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Result<ImageAnswer>> got;
    const Status started = images.start(std::move(request), [&](Result<ImageAnswer> answer) {
      std::lock_guard lock(mutex);
      EXPECT_FALSE(got);
      got = std::move(answer);
      changed.notify_all();
    });
    if (!started) return std::unexpected(started.error());
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return got.has_value(); }));
    return *std::move(got);
  }

  TemporaryFolder folder;
  FakeBackend backend;
  Metrics metrics;
  WorkerPool workers{"test", 2};
  ModelStore store{{.path = folder.path(), .defaults = {}, .memory = {.total_bytes = 1 << 20}},
                   {&backend},
                   metrics};
  Admission admission;
  TensorService tensors{store, admission, workers};
  ImageService images{store, tensors, admission, workers, metrics};
};

class NarrowImageServiceTest : public ImageServiceTest {
 protected:
  NarrowImageServiceTest() : ImageServiceTest(1) {}
};

constexpr const char* kTable =
    "[image]\ntask = \"classify\"\nsoftmax = false\nlabels = [\"r\", \"g\", \"b\"]\n";

TEST_F(ImageServiceTest, ModelsByNameOrTheOnlyOne) {
  add("one", kTable);
  add("plain", "");
  open();
  EXPECT_TRUE(images.find_model(ImageTask::classify, "one"));
  EXPECT_EQ((*images.find_model(ImageTask::classify, ""))->name(), "one");
  EXPECT_EQ((*images.find_model(ImageTask::classify, ""))->task(), "classify");
  EXPECT_EQ(images.find_model(ImageTask::detect, "").error().code, "model_not_found");
  EXPECT_EQ(images.find_model(ImageTask::detect, "one").error().code, "model_not_supported");
  EXPECT_EQ(images.find_model(ImageTask::classify, "plain").error().code, "model_not_supported");
  EXPECT_EQ(images.find_model(ImageTask::classify, "none").error().code, "model_not_found");
}

TEST_F(ImageServiceTest, OfSeveralModelsOneMustBeNamed) {
  add("one", kTable);
  add("two", kTable);
  open();
  const auto several = images.find_model(ImageTask::classify, "");
  ASSERT_FALSE(several);
  EXPECT_EQ(several.error().param, "model");
  EXPECT_NE(several.error().message.find("'one', 'two'"), std::string::npos);
}

TEST_F(ImageServiceTest, EachPictureHasItsAnswerInItsPlace) {
  add("one", kTable);
  open();
  std::vector<std::string> pictures;
  for (int i = 0; i < 16; ++i) {
    pictures.push_back(
        png({static_cast<std::uint8_t>(i % 2 ? 255 : 0), static_cast<std::uint8_t>(10 * i), 1}));
  }
  const auto answer = ask(pictures);
  ASSERT_TRUE(answer) << answer.error().message;
  ASSERT_EQ(answer->pictures.size(), 16u);
  for (std::size_t i = 0; i < 16; ++i) {
    const PictureAnswer& picture = answer->pictures[i];
    EXPECT_EQ(picture.width, 8);
    ASSERT_EQ(picture.classes.size(), 3u);
    for (const ClassScore& found : picture.classes) {
      const float wanted = found.index == 0   ? (i % 2 ? 1.0f : 0.0f)
                           : found.index == 1 ? static_cast<float>(10 * i) / 255
                                              : 1.0f / 255;
      EXPECT_NEAR(found.score, wanted, 1e-6f);
    }
  }
  EXPECT_GE(answer->times.whole, answer->times.decode);
  EXPECT_EQ(admission.num_requests(), 0);
}

TEST_F(ImageServiceTest, OneBadPictureEndsTheRequest) {
  add("one", kTable);
  open();
  const auto answer = ask({png({1, 2, 3}), "GIF89a", png({1, 2, 3})});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, kUnsupportedMedia);
  EXPECT_EQ(answer.error().param, "p1");
  workers.wait_idle();
  EXPECT_EQ(admission.num_requests(), 0);
}

TEST_F(NarrowImageServiceTest, AFullServerRefusesBeforeItDecodes) {
  add("one", kTable);
  open();
  EXPECT_TRUE(ask({png({1, 2, 3})}));
  const auto answer = ask({png({1, 2, 3}), png({1, 2, 3})});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, "overloaded");
  EXPECT_EQ(admission.num_requests(), 0);
}

}  // namespace
}  // namespace millrace::serving
