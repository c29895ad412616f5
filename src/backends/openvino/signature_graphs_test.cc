#include "backends/openvino/signature_graphs.h"

#include <gtest/gtest.h>

#include <cstring>
#include <semaphore>
#include <span>

#include "backends/openvino/openvino_backend.h"
#include "weights/test_files.h"

namespace millrace::backends {
namespace {

// TensorFlow Serving's example models; they are a few kilobytes each.
class SignatureGraphsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (weights::shared_data(kFolder).empty()) GTEST_SKIP() << "needs test data";
  }
  Result<std::unique_ptr<Servable>> load(const std::string& name,
                                         std::vector<std::string> signatures = {}) {
    ModelSpec spec;
    spec.name = "m";
    spec.path = weights::shared_data(kFolder) / name / "00000123";
    spec.signatures = std::move(signatures);
    LoadContext context{.metrics = metrics_, .progress = {}};
    return OpenvinoBackend().load(spec, context);
  }
  static std::string shown(const ModelDescription& d) {
    std::string text = d.signature + ":";
    for (const TensorSpec& input : d.inputs) text += " " + input.name;
    text += " >";
    for (const TensorSpec& output : d.outputs) text += " " + output.name;
    return text;
  }
  static float answer(Servable& model, float x) {
    TensorBatch batch;
    batch.inputs.push_back(
        {.shape = model.describe().inputs[0].shape.rank() == 2 ? Shape{1, 1} : Shape{1},
         .parts = {std::as_bytes(std::span(&x, 1))}});
    float y = -1;
    std::binary_semaphore done(0);
    model.tensor_model()->infer(std::move(batch), [&](Result<TensorResult> result) {
      if (result) std::memcpy(&y, result->outputs[0].data.data(), sizeof y);
      done.release();
    });
    done.acquire();
    return y;
  }

  static constexpr const char* kFolder = "A_models/tf_serving_testdata";
  Metrics metrics_;
};

TEST_F(SignatureGraphsTest, OfSessionsWithExamplesParsedInTheGraph) {
  const auto loaded = load("saved_model_half_plus_two_cpu");
  ASSERT_TRUE(loaded) << loaded.error().message;
  const ModelDescription& d = (*loaded)->describe();
  EXPECT_EQ(shown(d), "serving_default: x > y");
  EXPECT_EQ(d.signature_method, "tensorflow/serving/predict");
  EXPECT_EQ(d.inputs[0].shape, (Shape{-1, 1}));
  EXPECT_GT(d.max_batch_size, 1);
  EXPECT_EQ(answer(**loaded, 1), 2.5f);
  const auto others = (*loaded)->take_signatures();
  std::vector<std::string> all;
  for (const auto& other : others) all.push_back(shown(other->describe()));
  EXPECT_EQ(all, (std::vector<std::string>{
                     "classify_x_to_y: x > scores", "regress_x2_to_y3: inputs > outputs",
                     "regress_x_to_y: x > outputs", "regress_x_to_y2: x > outputs"}));
  EXPECT_EQ(answer(*others[0], 2), 3.0f);
  EXPECT_EQ(answer(*others[1], 2), 4.0f) << "x / 2 + 3";
  EXPECT_EQ(answer(*others[3], 2), 4.0f);
  EXPECT_EQ(others[3]->describe().signature_method, "tensorflow/serving/regress");
}

TEST_F(SignatureGraphsTest, OfFunctionsAndExamplesParsedInThem) {
  const auto loaded = load("saved_model_half_plus_two_tf2_cpu");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(shown((*loaded)->describe()), "serving_default: x > y");
  EXPECT_EQ(answer(**loaded, 1), 2.5f);
  const auto others = (*loaded)->take_signatures();
  std::vector<std::string> all;
  for (const auto& other : others) all.push_back(shown(other->describe()));
  EXPECT_EQ(all, (std::vector<std::string>{
                     "classify_x2_to_y3: inputs > scores", "classify_x_to_y: x > scores",
                     "regress_x2_to_y3: inputs > outputs", "regress_x_to_y: x > outputs",
                     "regress_x_to_y2: x > outputs"}));
  EXPECT_FALSE(others[0]->describe().examples);
  const ModelDescription& parsed = others[1]->describe();
  ASSERT_TRUE(parsed.examples);
  EXPECT_EQ(parsed.examples->input.name, "inputs");
  EXPECT_EQ(parsed.examples->input.dtype, DType::bytes);
  EXPECT_EQ(parsed.examples->input.shape, Shape{-1});
  ASSERT_EQ(parsed.examples->features.size(), 1u);
  EXPECT_EQ(parsed.examples->features[0].name, "x");
  EXPECT_TRUE(parsed.examples->features[0].default_value.empty()) << "it must be there";
  EXPECT_EQ(parsed.inputs[0].shape, (Shape{-1, 1}));
  EXPECT_EQ(answer(*others[1], 2), 3.0f);
  EXPECT_EQ(answer(*others[4], 2), 4.0f);
}

TEST_F(SignatureGraphsTest, WhichOnesIsAChoice) {
  const auto one = load("saved_model_half_plus_two_cpu", {"regress_x_to_y2"});
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(shown((*one)->describe()), "regress_x_to_y2: x > outputs");
  EXPECT_TRUE((*one)->take_signatures().empty());
  EXPECT_EQ(answer(**one, 4), 5.0f);
  const auto none = load("saved_model_half_plus_two_cpu", {"absent"});
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find(
                "no signature 'absent'; it has 'serving_default', 'classify_x_to_y'"),
            std::string::npos)
      << none.error().message;
}

}  // namespace
}  // namespace millrace::backends
