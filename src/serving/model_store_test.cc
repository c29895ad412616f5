#include "serving/model_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "serving/fake_model.h"

namespace millrace::serving {
namespace {

using namespace std::chrono_literals;

class StoreTest : public testing::Test {
 protected:
  std::unique_ptr<ModelStore> open(MemoryLimits memory = {.total_bytes = 1 << 20}) {
    auto store = std::make_unique<ModelStore>(
        ModelStoreOptions{.path = folder.path(), .defaults = {}, .memory = memory},
        std::vector<Backend*>{&backend}, metrics);
    EXPECT_TRUE(store->open());
    return store;
  }
  static bool eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 500; ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }
  TemporaryFolder folder;
  FakeBackend backend;
  Metrics metrics;
};

TEST_F(StoreTest, LoadsInTheBackgroundAndLends) {
  folder.file("One.fake");
  std::promise<void> go;
  auto gate = go.get_future().share();
  backend.prepare = [&](const ModelSpec&, FakeServable&) -> Status {
    gate.wait();
    return {};
  };
  auto store = open();
  const auto early = store->find("one");
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(early.error().code, "model_loading");
  EXPECT_FALSE(store->ready());
  EXPECT_TRUE(eventually([&] { return store->list()[0].progress > 0; }));
  EXPECT_EQ(store->list()[0].stage, "half way");
  go.set_value();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  const auto model = store->find("ONE");
  ASSERT_TRUE(model) << "names are found in any case";
  EXPECT_EQ((*model)->name(), "one");
  EXPECT_TRUE((*model)->text());
  EXPECT_TRUE((*model)->fingerprint().starts_with("fp_"));
  EXPECT_TRUE(store->ready());
  const auto unknown = store->find("two");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, "model_not_found");
}

TEST_F(StoreTest, OneFailureLeavesTheOthers) {
  folder.file("bad.fake");
  folder.file("good.fake");
  backend.prepare = [](const ModelSpec& spec, FakeServable&) -> Status {
    if (spec.name == "bad") return invalid("tensor 'x' is missing");
    return {};
  };
  auto store = open();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  EXPECT_TRUE(store->ready());
  EXPECT_TRUE(store->find("good"));
  const auto failed = store->find("bad");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(failed.error().code, "model_failed");
  EXPECT_EQ(failed.error().message.find("tensor"), std::string::npos)
      << "reasons are for operators";
  EXPECT_EQ(store->list()[0].error.message, "tensor 'x' is missing");
}

TEST_F(StoreTest, GrantsTheKvCacheWithinOneBudget) {
  folder.file("a.fake", 1000);
  folder.file("b.fake", 1000);
  std::vector<std::int64_t> granted;
  backend.prepare = [&](const ModelSpec& spec, FakeServable& servable) -> Status {
    granted.push_back(spec.kv_cache_bytes);
    servable.description.weight_bytes = 1100;
    servable.description.kv_cache_bytes = spec.kv_cache_bytes;
    return {};
  };
  auto store = open({.total_bytes = 10'000});
  ASSERT_TRUE(store->wait_until_loaded(5s));
  EXPECT_EQ(granted, (std::vector<std::int64_t>{2000, 2000}));  // (10000 - 2000) / 2 / 2
  EXPECT_EQ(store->memory().used(), 2 * (1100 + 2000));
}

TEST_F(StoreTest, RefusesAModelThatDoesNotFit) {
  folder.file("huge.fake", 5000);
  folder.file("tiny.fake", 10);
  auto store = open({.total_bytes = 2000});
  ASSERT_TRUE(store->wait_until_loaded(5s));
  EXPECT_EQ(store->list()[0].state, ModelState::failed);
  EXPECT_EQ(store->list()[0].error.code, "out_of_memory");
  EXPECT_TRUE(store->find("tiny"));
}

TEST_F(StoreTest, AHandleOutlivesUnload) {
  folder.file("m.fake", 100);
  std::atomic<bool> destroyed = false;
  std::thread::id destroyer;
  backend.prepare = [&](const ModelSpec&, FakeServable& servable) -> Status {
    servable.description.weight_bytes = 100;
    servable.on_destroy = [&] {
      destroyer = std::this_thread::get_id();
      destroyed = true;
    };
    return {};
  };
  auto store = open();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  auto handle = store->find("m");
  ASSERT_TRUE(handle);
  ASSERT_TRUE(store->unload("m"));
  EXPECT_EQ(store->find("m").error().code, "model_unloaded");
  EXPECT_FALSE(store->unload("m"));
  std::this_thread::sleep_for(20ms);
  EXPECT_FALSE(destroyed);
  EXPECT_GT(store->memory().used(), 0);
  handle->reset();
  ASSERT_TRUE(eventually([&] { return store->list()[0].state == ModelState::unloaded; }));
  EXPECT_TRUE(destroyed);
  EXPECT_NE(destroyer, std::this_thread::get_id());
  EXPECT_EQ(store->memory().used(), 0);
  ASSERT_TRUE(store->load("m"));
  ASSERT_TRUE(store->wait_until_loaded(5s));
  EXPECT_TRUE(store->find("m"));
}

TEST_F(StoreTest, ALoadThatComesWhileUnloadingFollowsIt) {
  folder.file("m.fake");
  auto store = open();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  auto handle = store->find("m");
  ASSERT_TRUE(store->unload("m"));
  std::atomic<int> told = 0;
  ASSERT_TRUE(store->load("m", [&](const Status& done) { told += done ? 1 : 100; }));
  EXPECT_EQ(store->find("m").error().code, "model_unloaded");
  EXPECT_EQ(told, 0);
  handle->reset();
  ASSERT_TRUE(eventually([&] { return told > 0; }));
  EXPECT_TRUE(store->find("m"));
  ASSERT_TRUE(store->load("m", [&](const Status& done) { told += done ? 1 : 100; }));
  EXPECT_EQ(told, 2) << "at once where it serves";
  backend.prepare = [](const ModelSpec&, FakeServable&) -> Status { return invalid("broken"); };
  ASSERT_TRUE(store->unload("m"));
  ASSERT_TRUE(store->load("m", [&](const Status& done) { told += done ? 1 : 100; }));
  ASSERT_TRUE(eventually([&] { return told > 2; }));
  EXPECT_EQ(told, 102);
}

TEST_F(StoreTest, ManyLoadsAndUnloadsLeaveNothing) {
  folder.file("m.fake");
  std::atomic<int> alive = 0;
  backend.prepare = [&](const ModelSpec&, FakeServable& servable) -> Status {
    ++alive;
    servable.on_destroy = [&] { --alive; };
    return {};
  };
  auto store = open();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(store->wait_until_loaded(5s));
    ASSERT_TRUE(store->unload("m"));
    ASSERT_TRUE(eventually([&] { return store->list()[0].state == ModelState::unloaded; }));
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(store->memory().used(), 0);
    ASSERT_TRUE(store->load("m"));
  }
}

TEST_F(StoreTest, AnEmptyFolderIsAnError) {
  ModelStore store({.path = folder.path(), .defaults = {}, .memory = {.total_bytes = 1}},
                   {&backend}, metrics);
  const auto opened = store.open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::not_found);
}

TEST_F(StoreTest, BlocksAreAMetric) {
  folder.file("m.fake");
  auto store = open();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  backend.last->fake().next_stats = {.num_blocks = 9, .num_free_blocks = 4, .num_cached_blocks = 5};
  store->refresh_metrics();
  const std::string text = metrics.expose();
  EXPECT_NE(text.find(R"(millrace_kv_blocks{model_name="m",state="free"} 4)"), std::string::npos)
      << text;
  EXPECT_NE(text.find(R"(millrace_model_ready{model_name="m"} 1)"), std::string::npos) << text;
}

}  // namespace
}  // namespace millrace::serving
