#include "base/trace.h"

#include <gtest/gtest.h>

#include <thread>

namespace millrace {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TimePoint kStart = Clock::now();

TEST(Trace, WhoIsNotTracedPaysNothing) {
  TraceLog log;
  const TraceHandle none = log.begin("chat", "m", kStart, false);
  EXPECT_FALSE(none);
  none.span("prefill", kStart, kStart + 1ms);
  none.inside().finish();
  EXPECT_TRUE(none.id().empty());
  EXPECT_TRUE(log.latest(10).empty());
}

TEST(Trace, SpansAreKeptInOrderWithTheirDepth) {
  TraceLog log;
  const TraceHandle trace = log.begin("pipeline", "m", kStart, true);
  ASSERT_TRUE(trace);
  trace.inside().span("infer", kStart + 2ms, kStart + 3ms, {{"rows", 4}});
  trace.span("step", kStart + 2ms, kStart + 4ms);
  trace.span("parse", kStart, kStart + 1ms);
  const auto kept = log.find(trace.id());
  ASSERT_TRUE(kept);
  EXPECT_FALSE(kept->now().done);
  trace.finish();
  trace.finish();
  const auto snapshot = kept->now();
  EXPECT_TRUE(snapshot.done);
  std::string names;
  for (const TraceSpan& span : snapshot.spans) {
    names += span.name + std::to_string(span.depth) + " ";
  }
  EXPECT_EQ(names, "request0 parse1 step1 infer2 ");
  EXPECT_EQ(snapshot.spans.back().numbers.at(0).second, 4);
  EXPECT_EQ(kept->kind(), "pipeline");
}

TEST(Trace, EndsWithTheLastHandle) {
  TraceLog log;
  {
    const TraceHandle trace = log.begin("chat", "m", kStart, true);
    const TraceHandle copy = trace.inside();
    EXPECT_FALSE(log.latest(1).at(0)->now().done);
  }
  EXPECT_TRUE(log.latest(1).at(0)->now().done);
}

TEST(Trace, TheLogKeepsTheLast) {
  TraceLog log({.capacity = 3});
  for (const char* model : {"a", "b", "c", "d", "e"}) log.begin("chat", model, kStart, true);
  std::string models;
  for (const auto& trace : log.latest(10)) models += trace->model();
  EXPECT_EQ(models, "edc");
  EXPECT_EQ(log.latest(2).size(), 2u);
  EXPECT_FALSE(log.find("nobody"));
}

TEST(Trace, OneInSoManyIsTraced) {
  TraceLog log({.capacity = 100, .every = 4});
  int traced = 0;
  for (int i = 0; i < 20; ++i) traced += log.begin("chat", "m", kStart, false) ? 1 : 0;
  EXPECT_EQ(traced, 5);
  EXPECT_TRUE(log.begin("chat", "m", kStart, true)) << "who asks is traced always";
}

TEST(Trace, TheCallersIdIsTaken) {
  TraceLog log;
  EXPECT_EQ(log.begin("chat", "m", kStart, false, kParent).id(),
            "4bf92f3577b34da6a3ce929d0e0e4736");
  std::string unsampled(kParent);
  unsampled.back() = '0';
  EXPECT_FALSE(log.begin("chat", "m", kStart, false, unsampled));
  EXPECT_EQ(log.begin("chat", "m", kStart, true, unsampled).id(),
            "4bf92f3577b34da6a3ce929d0e0e4736");
  const auto own = log.begin("chat", "m", kStart, true);
  EXPECT_EQ(own.id().size(), 32u);
  EXPECT_NE(own.id(), log.begin("chat", "m", kStart, true).id());
}

TEST(Trace, AMalformedParentIsIgnored) {
  TraceLog log;
  for (const std::string_view bad :
       {"", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) {
    EXPECT_FALSE(log.begin("chat", "m", kStart, false, bad)) << bad;
    const auto trace = log.begin("chat", "m", kStart, true, bad);
    EXPECT_EQ(trace.id().size(), 32u);
    EXPECT_FALSE(trace.id().starts_with("4bf92f")) << bad;
  }
  EXPECT_TRUE(log.begin("chat", "m", kStart, false,
                        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"))
      << "a later version may say more";
}

TEST(Trace, IsBounded) {
  TraceLog log;
  const TraceHandle trace = log.begin("chat", std::string(1000, 'm'), kStart, true);
  for (std::size_t i = 0; i < Trace::kMaxSpans + 7; ++i) {
    trace.span(std::string(1000, 'x'), kStart, kStart);
  }
  trace.finish();
  const auto kept = log.latest(1).at(0);
  const auto snapshot = kept->now();
  EXPECT_EQ(snapshot.spans.size(), Trace::kMaxSpans + 1);
  EXPECT_EQ(snapshot.num_left_out, 7u);
  EXPECT_EQ(snapshot.spans.back().name.size(), Trace::kMaxNameBytes);
  EXPECT_EQ(kept->model().size(), Trace::kMaxNameBytes);
}

TEST(Trace, ManyThreadsWriteWhileOneReads) {
  TraceLog log({.capacity = 8});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&log] {
      for (int i = 0; i < 200; ++i) {
        const auto trace = log.begin("tensor", "m", kStart, true);
        trace.span("infer", kStart, kStart + 1ms);
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    for (const auto& trace : log.latest(8)) EXPECT_LE(trace->now().spans.size(), 2u);
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(log.latest(100).size(), 8u);
}

}  // namespace
}  // namespace millrace
