#include "backends/tensor_contract.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace millrace::backends {

// In a build without any tensor backend.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TensorContract);

TEST_P(TensorContract, DescribesItself) {
  const ModelDescription& d = model_->describe();
  EXPECT_FALSE(d.name.empty());
  EXPECT_FALSE(d.backend.empty());
  EXPECT_FALSE(d.family.empty());
  ASSERT_EQ(d.inputs.size(), 1u);
  ASSERT_EQ(d.outputs.size(), 1u);
  EXPECT_EQ(d.inputs[0].name, "x");
  EXPECT_EQ(d.outputs[0].name, "y");
  EXPECT_EQ(d.inputs[0].dtype, DType::f32);
  EXPECT_EQ(d.inputs[0].shape, (Shape{-1, 2}));
  EXPECT_GT(d.max_batch_size, 1) << "axis 0 is a batch";
  EXPECT_GE(tensors().max_concurrency(), 1);
  EXPECT_EQ(model_->generator(), nullptr);
}

TEST_P(TensorContract, ComputesOnePart) {
  const Answer answer = get(infer(batch_of({{1, 2, 3, 4}})));
  ASSERT_TRUE(answer.values) << answer.values.error().message;
  EXPECT_EQ(*answer.values, (std::vector<float>{2, 4, 6, 8}));
  EXPECT_EQ(answer.shape, (Shape{2, 2}));
}

TEST_P(TensorContract, PartsAreOneTensorEndToEnd) {
  const Answer answer = get(infer(batch_of({{1, 2}, {3, 4, 5, 6}, {7, 8}})));
  ASSERT_TRUE(answer.values);
  EXPECT_EQ(*answer.values, (std::vector<float>{2, 4, 6, 8, 10, 12, 14, 16}));
}

TEST_P(TensorContract, TakesBytesAtAnyAddress) {
  for (std::size_t offset = 0; offset < 8; ++offset) {
    auto owned = std::make_shared<std::vector<std::byte>>(offset + 16);
    const float values[] = {1, -2, 0.5f, 8};
    std::memcpy(owned->data() + offset, values, sizeof values);
    TensorBatch batch{.owner = owned};
    batch.inputs.push_back(
        {.shape = Shape{2, 2}, .parts = {std::span<const std::byte>(*owned).subspan(offset)}});
    const Answer answer = get(infer(std::move(batch)));
    ASSERT_TRUE(answer.values) << offset;
    EXPECT_EQ(*answer.values, (std::vector<float>{2, -4, 1, 16})) << offset;
  }
}

TEST_P(TensorContract, ResultsOutliveTheInputsAndOtherExecutions) {
  std::promise<TensorResult> kept;
  auto future = kept.get_future();
  {
    auto input = std::make_unique<std::vector<float>>(std::vector<float>{1, 2});
    TensorBatch batch;
    batch.inputs.push_back({.shape = Shape{1, 2}, .parts = {std::as_bytes(std::span(*input))}});
    tensors().infer(std::move(batch),
                    [&](Result<TensorResult> result) { kept.set_value(*std::move(result)); });
    ASSERT_EQ(future.wait_for(std::chrono::seconds(60)), std::future_status::ready);
    input->assign({9, 9});
  }
  const TensorResult first = future.get();
  for (float i = 10; i < 20; ++i) EXPECT_TRUE(get(infer(batch_of({{i, i}}))).values);
  float values[2];
  std::memcpy(values, first.outputs[0].data.data(), sizeof values);
  EXPECT_EQ(values[0], 2);
  EXPECT_EQ(values[1], 4);
}

TEST_P(TensorContract, ManyAtOnceGetTheirOwnAnswers) {
  std::vector<std::thread> clients;
  std::atomic<int> wrong = 0;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      for (int i = 0; i < 50; ++i) {
        const auto v = static_cast<float>(100 * c + i);
        std::vector<float> row(static_cast<std::size_t>(2 * (1 + i % 3)), v);
        const Answer answer = get(infer(batch_of({row})));
        for (float& value : row) value *= 2;
        if (!answer.values || *answer.values != row) ++wrong;
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(TensorContract, AStoppedRequestIsCancelled) {
  std::stop_source stop;
  stop.request_stop();
  const Answer answer = get(infer(batch_of({{1, 2}}, stop.get_token())));
  ASSERT_FALSE(answer.values);
  EXPECT_EQ(answer.values.error().kind, ErrorKind::cancelled);
  EXPECT_TRUE(get(infer(batch_of({{1, 2}}))).values) << "others go on";
}

TEST_P(TensorContract, StopsAtAnyMomentHarmNoOne) {
  for (int i = 0; i < 100; ++i) {
    std::stop_source stop;
    auto future = infer(batch_of({{1, 2}}, stop.get_token()));
    if (i % 4 != 0) std::this_thread::sleep_for(std::chrono::microseconds(i));
    stop.request_stop();
    const Answer answer = get(std::move(future));
    if (answer.values) {
      EXPECT_EQ(*answer.values, (std::vector<float>{2, 4}));
    } else {
      EXPECT_EQ(answer.values.error().kind, ErrorKind::cancelled);
    }
  }
  EXPECT_TRUE(get(infer(batch_of({{1, 2}}))).values);
}

TEST_P(TensorContract, UnloadingEndsWhatRuns) {
  std::vector<std::future<Answer>> futures;
  for (int i = 0; i < 20; ++i) futures.push_back(infer(batch_of({std::vector<float>(200, 1)})));
  model_.reset();
  for (auto& future : futures) {
    const Answer answer = get(std::move(future));
    if (!answer.values) {
      EXPECT_EQ(answer.values.error().kind, ErrorKind::unavailable);
    }
  }
}

}  // namespace millrace::backends
