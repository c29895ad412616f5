#include "backends/openvino/openvino_backend.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <openvino/op/add.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/cum_sum.hpp>
#include <openvino/op/gather.hpp>
#include <openvino/op/matmul.hpp>
#include <openvino/op/multiply.hpp>
#include <openvino/op/parameter.hpp>
#include <openvino/op/reduce_mean.hpp>
#include <openvino/op/reshape.hpp>
#include <openvino/op/softmax.hpp>
#include <openvino/op/string_tensor_pack.hpp>
#include <openvino/op/string_tensor_unpack.hpp>
#include <openvino/op/subtract.hpp>
#include <openvino/openvino.hpp>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

#include "backends/batch_probe.h"
#include "backends/openvino/openvino_model.h"
#include "backends/openvino/ov_types.h"
#include "backends/tensor_contract.h"
#include "weights/test_files.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
// What the runtime's thread library never gives back.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libtbb\n";
}
#endif

namespace millrace::backends {
namespace {

#ifdef __SANITIZE_ADDRESS__
using KnownLeak = __lsan::ScopedDisabler;  // what this thread takes meanwhile
#else
struct KnownLeak {
  KnownLeak() {}  // not trivial, so that it is never called unused
};
#endif

using ov::Output;
using ov::PartialShape;
using Node = std::shared_ptr<ov::Node>;

Node constant(std::vector<std::int64_t> values) {
  const ov::Shape shape = values.size() == 1 ? ov::Shape{} : ov::Shape{values.size()};
  return ov::op::v0::Constant::create(ov::element::i64, shape, values);
}

// A model of one input "x" and one output "y".
template <class Build>
std::shared_ptr<ov::Model> model_of(ov::element::Type type, PartialShape shape, Build build) {
  auto x = std::make_shared<ov::op::v0::Parameter>(type, std::move(shape));
  x->set_friendly_name("x");
  x->output(0).set_names({"x"});
  const Node y = build(x);
  y->output(0).set_names({"y"});
  auto result = std::make_shared<ov::op::v0::Result>(y);
  return std::make_shared<ov::Model>(ov::ResultVector{result}, ov::ParameterVector{x});
}

Node doubled(const Node& x) {
  const auto two = ov::op::v0::Constant::create(x->get_output_element_type(0), ov::Shape{}, {2});
  return std::make_shared<ov::op::v1::Multiply>(x, two);
}

Result<std::unique_ptr<Servable>> load_from(const std::shared_ptr<ov::Model>& model,
                                            ModelSpec spec = {}) {
  const weights::ScratchFolder folder;
  spec.name = "m";
  spec.path = folder.path() / "m.xml";
  ov::save_model(model, spec.path.string(), /*compress_to_fp16=*/false);
  Metrics metrics;
  LoadContext context{.metrics = metrics, .progress = {}};
  return OpenvinoBackend().load(spec, context);
}

std::unique_ptr<Servable> make_double(Metrics&) {
  auto loaded = load_from(model_of(ov::element::f32, {-1, 2}, doubled));
  EXPECT_TRUE(loaded) << loaded.error().message;
  return loaded ? *std::move(loaded) : nullptr;
}

INSTANTIATE_TEST_SUITE_P(Openvino, TensorContract,
                         testing::Values(TensorContractCase{"openvino", make_double}));

int batch_of(const std::shared_ptr<ov::Model>& model) {
  auto loaded = load_from(model);
  EXPECT_TRUE(loaded) << loaded.error().message;
  return loaded ? (*loaded)->describe().max_batch_size : -1;
}

TEST(BatchAxis, IsFoundWhereRowsAreIndependent) {
  EXPECT_GT(batch_of(model_of(ov::element::f32, {-1, 2}, doubled)), 1);
  EXPECT_GT(
      batch_of(model_of(ov::element::f32, {-1, 4},
                        [](const Node& x) { return std::make_shared<ov::op::v1::Softmax>(x, 1); })),
      1);
  EXPECT_GT(batch_of(model_of(ov::element::f32, {-1, -1, 3}, doubled)), 1) << "other sizes open";
  EXPECT_GT(batch_of(model_of(ov::element::i64, {-1, -1},
                              [](const Node& ids) {
                                const std::vector<float> table(10 * 4, 0.25f);
                                return std::make_shared<ov::op::v8::Gather>(
                                    ov::op::v0::Constant::create(ov::element::f32, {10, 4}, table),
                                    ids, constant({0}));
                              })),
            1)
      << "an embedding";
}

TEST(BatchAxis, IsNotFoundWhereRowsMix) {
  const auto minus_mean = [](const Node& x) {
    const auto mean = std::make_shared<ov::op::v1::ReduceMean>(x, constant({0}), true);
    return std::make_shared<ov::op::v1::Subtract>(x, mean);
  };
  EXPECT_EQ(batch_of(model_of(ov::element::f32, {-1, 4}, minus_mean)), 0);
  EXPECT_EQ(
      batch_of(model_of(ov::element::f32, {-1, 4},
                        [](const Node& x) { return std::make_shared<ov::op::v1::Softmax>(x, 0); })),
      0);
  EXPECT_EQ(batch_of(model_of(ov::element::f32, {-1, 4},
                              [](const Node& x) {
                                return std::make_shared<ov::op::v0::CumSum>(x, constant({0}));
                              })),
            0);
  EXPECT_EQ(batch_of(model_of(ov::element::f32, {-1, 4},
                              [](const Node& x) {
                                return std::make_shared<ov::op::v1::Reshape>(x, constant({-1, 2}),
                                                                             false);
                              })),
            0)
      << "two rows out for one in";
  EXPECT_EQ(batch_of(model_of(ov::element::f32, {3, 4}, doubled)), 0) << "axis 0 is fixed";
}

TEST(OpenvinoBackend, SettingsOfTheModelCount) {
  ModelSpec spec;
  spec.max_batch_size = 1;
  auto loaded = load_from(model_of(ov::element::f32, {-1, 2}, doubled), spec);
  ASSERT_TRUE(loaded);
  EXPECT_EQ((*loaded)->describe().max_batch_size, 0);
  spec.max_batch_size = 7;
  loaded = load_from(model_of(ov::element::f32, {-1, 2}, doubled), spec);
  EXPECT_EQ((*loaded)->describe().max_batch_size, 7);
}

TEST(OpenvinoBackend, DescribesEveryType) {
  const std::pair<ov::element::Type, DType> types[] = {
      {ov::element::f16, DType::f16}, {ov::element::bf16, DType::bf16},
      {ov::element::f64, DType::f64}, {ov::element::i8, DType::i8},
      {ov::element::i32, DType::i32}, {ov::element::u8, DType::u8},
      {ov::element::i64, DType::i64}};
  for (const auto& [theirs, ours] : types) {
    auto loaded = load_from(model_of(theirs, {-1, 3}, doubled));
    ASSERT_TRUE(loaded) << dtype_name(ours) << ": " << loaded.error().message;
    EXPECT_EQ((*loaded)->describe().inputs[0].dtype, ours);
    EXPECT_EQ((*loaded)->describe().outputs[0].dtype, ours);
    EXPECT_EQ(element_type_of(ours), theirs);
  }
  EXPECT_FALSE(dtype_of(ov::element::u4));
}

TEST(OpenvinoBackend, SaysWhatIsWrongWithAFile) {
  const weights::ScratchFolder folder;
  folder.write("bad.onnx", "this is no graph");
  Metrics metrics;
  LoadContext context{.metrics = metrics, .progress = {}};
  ModelSpec spec;
  spec.name = "bad";
  spec.path = folder.path() / "bad.onnx";
  OpenvinoBackend backend;
  const KnownLeak of_the_runtime;  // 8 bytes, in its frontend, for a file that is no graph
  const auto loaded = backend.load(spec, context);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, ErrorKind::invalid_argument);
  EXPECT_NE(loaded.error().message.find("'bad.onnx'"), std::string::npos);
  EXPECT_EQ(loaded.error().message.find(folder.path().string()), std::string::npos)
      << loaded.error().message;
}

TEST(OpenvinoModel, AResultKeepsTheInputsItLooksInto) {
  for (const PartialShape& shape : {PartialShape{-1, 2}, PartialShape{1, 2}}) {
    auto loaded = load_from(model_of(ov::element::f32, shape, [](const Node& x) { return x; }));
    ASSERT_TRUE(loaded) << loaded.error().message;
    auto row = std::make_shared<std::vector<float>>(std::vector<float>{3, 4});
    const std::weak_ptr<std::vector<float>> seen = row;
    TensorBatch batch{.owner = row};
    batch.inputs = {{.shape = Shape{1, 2}, .parts = {std::as_bytes(std::span(*row))}}};
    row.reset();
    std::promise<TensorResult> done;
    (*loaded)->tensor_model()->infer(
        std::move(batch), [&](Result<TensorResult> result) { done.set_value(*std::move(result)); });
    auto future = done.get_future();
    ASSERT_EQ(future.wait_for(std::chrono::seconds(60)), std::future_status::ready);
    TensorResult result = future.get();
    const auto input = seen.lock();
    EXPECT_NE(input, nullptr) << "the runtime gives the same bytes back";
    float values[2];
    std::memcpy(values, result.outputs[0].data.data(), sizeof values);
    EXPECT_EQ(values[0], 3);
    EXPECT_EQ(values[1], 4);
    result = {};
    EXPECT_EQ(seen.use_count(), 1) << "only the test holds it now";
  }
}

TEST(OpenvinoBackend, StringsAreStringsToClients) {
  const auto loaded =
      load_from(model_of(ov::element::string, {-1, 2}, [](const Node& x) { return x; }));
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->describe().inputs[0].dtype, DType::bytes);
  EXPECT_EQ((*loaded)->describe().outputs[0].dtype, DType::bytes);
  EXPECT_GT((*loaded)->describe().max_batch_size, 1);
}

TEST(OpenvinoBackend, RefusesWhatMakesStrings) {
  const auto loaded = load_from(model_of(ov::element::string, {-1, 2}, [](const Node& x) -> Node {
    const auto apart = std::make_shared<ov::op::v15::StringTensorUnpack>(x);
    return std::make_shared<ov::op::v15::StringTensorPack>(apart->output(0), apart->output(1),
                                                           apart->output(2));
  }));
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find("output 'y' is of strings"), std::string::npos);
}

TEST(OpenvinoModel, InputsThatDoNotGoTogetherAreTheCallersFault) {
  auto a = std::make_shared<ov::op::v0::Parameter>(ov::element::f32, PartialShape{-1, -1});
  auto b = std::make_shared<ov::op::v0::Parameter>(ov::element::f32, PartialShape{-1, -1});
  a->output(0).set_names({"a"});
  b->output(0).set_names({"b"});
  auto sum = std::make_shared<ov::op::v1::Add>(a, b);
  sum->output(0).set_names({"y"});
  auto loaded = load_from(std::make_shared<ov::Model>(
      ov::ResultVector{std::make_shared<ov::op::v0::Result>(sum)}, ov::ParameterVector{a, b}));
  ASSERT_TRUE(loaded);
  const std::vector<float> values(5, 1);
  TensorBatch batch;
  const auto bytes = std::as_bytes(std::span(values));
  batch.inputs = {{.shape = Shape{1, 5}, .parts = {bytes}},
                  {.shape = Shape{1, 3}, .parts = {bytes.first(12)}}};
  std::promise<ErrorKind> done;
  (*loaded)->tensor_model()->infer(std::move(batch), [&](Result<TensorResult> result) {
    done.set_value(result ? ErrorKind::conflict : result.error().kind);
  });
  auto future = done.get_future();
  ASSERT_EQ(future.wait_for(std::chrono::seconds(60)), std::future_status::ready);
  EXPECT_EQ(future.get(), ErrorKind::invalid_argument);
}

// Softmax over the row: a fixed size beside the batch.
TEST(OpenvinoModel, InCompanyRowsAreTheSame) {
  auto loaded = load_from(model_of(ov::element::f32, {-1, 4}, [](const Node& x) {
    return std::make_shared<ov::op::v1::Softmax>(x, 1);
  }));
  ASSERT_TRUE(loaded) << loaded.error().message;
  TensorModel& model = *(*loaded)->tensor_model();
  if (model.max_in_company() == 0) GTEST_SKIP() << "one core: nothing runs side by side";
  const auto run = [&](std::int64_t rows, bool in_company) {
    std::vector<float> values(static_cast<std::size_t>(4 * rows));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7);
    TensorBatch batch{.in_company = in_company};
    batch.inputs = {{.shape = Shape{rows, 4}, .parts = {std::as_bytes(std::span(values))}}};
    std::promise<std::vector<float>> done;
    model.infer(std::move(batch), [&](Result<TensorResult> result) {
      const auto data = result ? result->outputs[0].data : std::span<const std::byte>();
      std::vector<float> out(data.size() / sizeof(float));
      std::memcpy(out.data(), data.data(), data.size());
      done.set_value(std::move(out));
    });
    return done.get_future().get();
  };
  const auto alone = run(1, false);
  ASSERT_EQ(alone.size(), 4u);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(run(1, true), alone);
  EXPECT_EQ(run(3, true).size(), 12u) << "more rows than it was compiled for";
}

// Products long enough to be stopped on their way.
TEST(OpenvinoModel, ARunThatIsStoppedLeavesNothingBehind) {
  constexpr std::size_t kWidth = 512;
  auto loaded = load_from(model_of(ov::element::f32, {-1, kWidth}, [](Node x) {
    const std::vector<float> weights(kWidth * kWidth, 1.0F / kWidth);
    for (int i = 0; i < 12; ++i) {
      x = std::make_shared<ov::op::v0::MatMul>(
          x, ov::op::v0::Constant::create(ov::element::f32, {kWidth, kWidth}, weights));
    }
    return x;
  }));
  ASSERT_TRUE(loaded) << loaded.error().message;
  const std::vector<float> values(3 * kWidth, 1.0F);
  const auto start = [&](std::int64_t rows, std::stop_token stop) {
    TensorBatch batch{.stop = std::move(stop)};
    const auto bytes = std::as_bytes(std::span(values));
    batch.inputs = {{.shape = Shape{rows, kWidth}, .parts = {}}};
    for (std::int64_t i = 0; i < rows; ++i)  // merged: not on this thread
      batch.inputs[0].parts.push_back(bytes.first(kWidth * sizeof(float)));
    auto done = std::make_shared<std::promise<Shape>>();
    auto future = done->get_future();
    (*loaded)->tensor_model()->infer(std::move(batch), [done](Result<TensorResult> result) {
      done->set_value(result ? result->outputs[0].shape : Shape{});
    });
    return future;
  };
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(start(3, {}).get(), (Shape{3, kWidth})) << "try " << i;
    std::stop_source stop;
    auto stopped = start(2, stop.get_token());
    std::this_thread::sleep_for(std::chrono::microseconds(10 * (i % 50)));
    stop.request_stop();
    stopped.get();
  }
}

TEST(OpenvinoModel, WhoeverSaysHowRunsGetsThat) {
  for (const char* hint : {"latency", "throughput"}) {
    ModelSpec spec;
    spec.performance_hint = hint;
    auto loaded = load_from(model_of(ov::element::f32, {-1, 2}, doubled), spec);
    ASSERT_TRUE(loaded);
    EXPECT_EQ((*loaded)->tensor_model()->max_in_company(), 0) << hint;
  }
}

}  // namespace
}  // namespace millrace::backends
