#include "serving/model_store.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <future>
#include <map>
#include <thread>

#include "base/giving_way.h"
#include "serving/fake_model.h"
#include "serving/model_store_entries.h"

namespace millrace::serving {
namespace {

using namespace std::chrono_literals;

class StoreTest : public testing::Test {
 protected:
  std::unique_ptr<ModelStore> open(MemoryLimits memory = {.total_bytes = 1 << 20}) {
    auto store = std::make_unique<ModelStore>(ModelStoreOptions{.path = folder.path(),
                                                                .defaults = {},
                                                                .memory = memory,
                                                                .control = control,
                                                                .poll_interval = 20ms,
                                                                .startup_models = startup},
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
  // "1 ready, 3 failed": the versions of a model.
  static std::string states(const ModelStore& store, std::string_view name) {
    std::string all;
    const auto versions = store.list(name);
    if (!versions) return "none";
    for (const ModelStatus& status : *versions) {
      all += (all.empty() ? "" : ", ") + status.version + " " + to_string(status.state);
    }
    return all;
  }
  void write(const std::string& file, const std::string& text) const {
    std::ofstream(folder.path() / file) << text;
  }
  TemporaryFolder folder;
  FakeBackend backend;
  Metrics metrics;
  ModelControl control = ModelControl::none;
  std::vector<std::string> startup;
};

TEST_F(StoreTest, GivesWayOnlyBesideModelsThatServe) {
  if (!GivingWay::is_possible()) GTEST_SKIP() << "threads may not be set back here";
  for (const char* file : {"one.fake", "two.fake", "three.fake", "four.fake"}) folder.file(file);
  std::map<std::string, int> policies;  // "-" before a name: of the unload
  backend.prepare = [&](const ModelSpec& spec, FakeServable& servable) -> Status {
    policies[spec.name] = sched_getscheduler(0);
    servable.on_destroy = [&, name = "-" + spec.name] { policies[name] = sched_getscheduler(0); };
    return {};
  };
  control = ModelControl::explicit_only;
  startup = {"one", "two"};
  auto store = open();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  for (const char* name : {"three", "four"}) {
    ASSERT_TRUE(store->load(name));
    ASSERT_TRUE(store->wait_until_loaded(5s));
  }
  ASSERT_TRUE(store->unload("three"));
  ASSERT_TRUE(eventually([&] { return states(*store, "three") == "1 unloaded"; }));
  store.reset();
  const std::map<std::string, int> expected = {
      {"one", SCHED_OTHER},   {"two", SCHED_OTHER},  {"three", SCHED_IDLE}, {"four", SCHED_IDLE},
      {"-three", SCHED_IDLE}, {"-one", SCHED_OTHER}, {"-two", SCHED_OTHER}, {"-four", SCHED_OTHER}};
  EXPECT_EQ(policies, expected);
}

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
  EXPECT_NE(text.find(R"(millrace_model_ready{model_name="m",model_version="1"} 1)"),
            std::string::npos)
      << text;
}

TEST_F(StoreTest, SeveralVersionsServeAtOnce) {
  for (const char* version : {"1", "2", "10"}) {
    folder.file(std::string("m/") + version + "/weights.fake");
  }
  write("m/model.toml", "version-policy = \"all\"\n[version-labels]\nstable = 2\nnext = 77");
  auto store = open();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  EXPECT_EQ(states(*store, "m"), "1 ready, 2 ready, 10 ready");
  const auto version = [&](std::string_view text) {
    const auto model = store->find("m", text);
    return model ? (*model)->version() : model.error().param + "/" + model.error().code;
  };
  EXPECT_EQ(version(""), "10");
  EXPECT_EQ(version("1"), "1");
  EXPECT_EQ(version("stable"), "2");
  EXPECT_EQ(version("next"), "version/model_not_found");
  EXPECT_EQ(version("3"), "version/model_not_found");
  EXPECT_EQ(version("old"), "version/model_not_found");
  EXPECT_FALSE(store->find_label("m", "1")) << "a number is no label";
  EXPECT_EQ(store->find("x", "1").error().param, "model");
  ASSERT_TRUE(store->set_default("m", "stable"));
  EXPECT_EQ(version(""), "2");
  EXPECT_FALSE(store->set_default("m", "3"));
  EXPECT_FALSE(store->set_default("x", "1"));
  {
    const auto all = *store->list("m");  // holds the models
    EXPECT_TRUE(all[1].is_default && !all[2].is_default);
    EXPECT_EQ(all[1].labels, std::vector<std::string>{"stable"});
  }
  ASSERT_TRUE(store->set_default("m", ""));
  EXPECT_EQ(version(""), "10");
  ASSERT_TRUE(store->unload("m"));
  EXPECT_EQ(version("1"), "model/model_unloaded");
  ASSERT_TRUE(
      eventually([&] { return states(*store, "m") == "1 unloaded, 2 unloaded, 10 unloaded"; }));
  EXPECT_EQ(store->memory().used(), 0);
}

TEST_F(StoreTest, LoadTakesUpWhatHasChanged) {
  folder.file("m/1/weights.fake");
  auto store = open();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  const ModelHandle old = *store->find("m");
  folder.file("m/2/weights.fake");
  folder.file("new/weights.fake");
  EXPECT_EQ(store->find("new").error().code, "model_not_found");
  std::atomic<int> loads = 0;
  backend.prepare = [&](const ModelSpec&, FakeServable&) -> Status {
    ++loads;
    return {};
  };
  std::promise<bool> done;
  ASSERT_TRUE(store->load("m", [&](const Status& ended) { done.set_value(ended.has_value()); }));
  EXPECT_TRUE(done.get_future().get());
  EXPECT_EQ((*store->find("m"))->version(), "2");
  EXPECT_EQ(old->version(), "1") << "who holds the old one keeps it";
  EXPECT_FALSE(store->find("m", "1"));
  EXPECT_EQ(states(*store, "m"), "1 unloading, 2 ready");
  ASSERT_TRUE(store->load("m"));
  EXPECT_EQ(loads, 1) << "nothing has changed";
  write("m/model.toml", "max-model-len = 5");
  ASSERT_TRUE(store->load("m"));
  ASSERT_TRUE(store->load("new"));
  ASSERT_TRUE(store->wait_until_loaded(5s));
  EXPECT_EQ(loads, 3);
  EXPECT_TRUE(store->find("new"));
  EXPECT_EQ(store->load("absent").error().kind, ErrorKind::not_found);
}

TEST_F(StoreTest, ABrokenUpdateLeavesTheOldOne) {
  folder.file("m/1/weights.fake");
  folder.file("m/3/weights.fake");
  write("m/model.toml", "version-policy = \"latest:2\"");
  auto store = open();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  backend.prepare = [](const ModelSpec&, FakeServable&) -> Status { return invalid("broken"); };
  folder.file("m/4/weights.fake");
  folder.file("m/3/weights.fake", 20);
  std::promise<std::string> done;
  ASSERT_TRUE(store->load(
      "m", [&](const Status& ended) { done.set_value(ended ? "" : ended.error().message); }));
  EXPECT_EQ(done.get_future().get(), "broken");
  EXPECT_EQ(states(*store, "m"), "1 ready, 3 ready, 4 failed");
  EXPECT_EQ((*store->find("m"))->version(), "3");
  EXPECT_EQ(store->list("m")->at(1).error.message, "broken") << "why its update did not come";
  EXPECT_TRUE(store->ready());
  backend.prepare = {};
  ASSERT_TRUE(store->load("m"));
  ASSERT_TRUE(eventually([&] { return states(*store, "m") == "1 unloaded, 3 ready, 4 ready"; }));
  EXPECT_EQ(store->list("m")->at(1).error.message, "");
}

TEST_F(StoreTest, WhoFailedHasNoShareOfTheKvCache) {
  for (const char* name : {"a.fake", "b.fake", "c.fake"}) folder.file(name, 1000);
  write("a.toml", "max-modl-len = 1");
  std::map<std::string, std::int64_t> granted;
  backend.prepare = [&](const ModelSpec& spec, FakeServable& servable) -> Status {
    granted[spec.name] = spec.kv_cache_bytes;
    if (spec.name == "b") return invalid("broken");
    servable.description.weight_bytes = 1000;
    servable.description.kv_cache_bytes = spec.kv_cache_bytes;
    return {};
  };
  auto store = open({.total_bytes = 10'000});
  ASSERT_TRUE(store->wait_until_loaded(5s));
  EXPECT_EQ(granted["b"], 2000);  // (10000 - 2 × 1000) / 2, shared with c: a's settings are wrong
  EXPECT_EQ(granted["c"], 4500);  // (10000 - 1000) / 2, shared with nobody
}

TEST_F(StoreTest, AModelMayWaitForAnother) {
  folder.file("a.fake");
  folder.file("b.fake");
  std::atomic<bool> b_is_there = false;
  backend.prepare = [&](const ModelSpec& spec, FakeServable&) -> Status {
    if (spec.name == "b") b_is_there = true;
    if (spec.name != "a" || b_is_there) return {};
    return fail(ErrorKind::unavailable, "needs model 'b'", "", kWaitsForModel);
  };
  auto store = open();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  EXPECT_TRUE(store->find("a"));
}

TEST_F(StoreTest, WhoWaitsForEachOtherFails) {
  folder.file("a.fake");
  folder.file("b.fake");
  std::atomic<bool> needs = true;
  backend.prepare = [&](const ModelSpec& spec, FakeServable&) -> Status {
    if (spec.name == "c" || !needs) return {};
    return fail(ErrorKind::unavailable, "needs another", "",
                spec.name == "a" ? kWaitsForModel : kNeedsModel);
  };
  auto store = open();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  EXPECT_EQ(states(*store, "a"), "1 failed");
  EXPECT_NE(store->list()[0].error.message.find("models cannot need each other"),
            std::string::npos);
  needs = false;
  folder.file("c.fake");
  ASSERT_TRUE(store->load("c"));
  EXPECT_TRUE(eventually([&] { return store->find("b").has_value(); })) << "a load may mend it";
}

TEST_F(StoreTest, ExplicitLoadsWhatIsAskedFor) {
  control = ModelControl::explicit_only;
  folder.file("a/weights.fake");
  folder.file("b/weights.fake");
  startup = {"A"};
  auto store = open();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  EXPECT_TRUE(store->find("a"));
  EXPECT_EQ(store->find("b").error().code, "model_unloaded");
  EXPECT_EQ(states(*store, "b"), "1 unloaded");
  EXPECT_TRUE(store->ready());
  ASSERT_TRUE(store->load("b"));
  ASSERT_TRUE(store->wait_until_loaded(5s));
  EXPECT_TRUE(store->find("b"));
  store.reset();
  startup = {"*"};
  store = open();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  EXPECT_TRUE(store->find("a") && store->find("b"));
  store.reset();
  startup.clear();
  store = open();
  EXPECT_TRUE(store->ready()) << "nothing is asked for yet";
  ModelStore wrong({.path = folder.path(),
                    .defaults = {},
                    .memory = {.total_bytes = 1},
                    .control = control,
                    .startup_models = {"absent"}},
                   {&backend}, metrics);
  const auto opened = wrong.open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("--load-model absent"), std::string::npos);
}

TEST_F(StoreTest, PollFollowsTheFolder) {
  control = ModelControl::poll;
  folder.file("a/1/weights.fake");
  auto store = open();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  EXPECT_EQ(store->load("a").error().kind, ErrorKind::conflict);
  EXPECT_EQ(store->unload("a").error().kind, ErrorKind::conflict);
  folder.file("b/weights.fake");
  EXPECT_TRUE(eventually([&] { return store->find("b").has_value(); }));
  folder.file("a/2/weights.fake");
  EXPECT_TRUE(eventually([&] { return states(*store, "a") == "1 unloaded, 2 ready"; }));
  const auto* before = store->find("a")->get();
  folder.file("a/2/weights.fake", 99);
  EXPECT_TRUE(eventually([&] { return store->find("a")->get() != before; })) << "loaded anew";
  std::filesystem::remove_all(folder.path() / "b");
  EXPECT_TRUE(eventually([&] { return states(*store, "b") == "1 unloaded"; }));
  std::filesystem::remove_all(folder.path() / "a" / "2");
  EXPECT_TRUE(eventually([&] { return states(*store, "a") == "1 ready, 2 unloaded"; }));
}

TEST_F(StoreTest, PollTriesABrokenOneOnce) {
  control = ModelControl::poll;
  folder.file("a/1/weights.fake");
  auto store = open();
  ASSERT_TRUE(store->wait_until_loaded(5s));
  std::atomic<int> tries = 0;
  backend.prepare = [&](const ModelSpec&, FakeServable&) -> Status {
    ++tries;
    return invalid("broken");
  };
  folder.file("a/2/weights.fake");
  EXPECT_TRUE(eventually([&] { return states(*store, "a") == "1 ready, 2 failed"; }));
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(tries, 1);
  EXPECT_EQ((*store->find("a"))->version(), "1");
}

}  // namespace
}  // namespace millrace::serving
