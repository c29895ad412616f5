#include "serving/text_stream.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "serving/fake_model.h"
#include "serving/recording_sink.h"

namespace millrace::serving {
namespace {

using namespace std::chrono_literals;

class StreamTest : public testing::Test {
 protected:
  std::shared_ptr<TextStream> make(TextOptions options, int num_choices = 1) {
    options.model = model;
    options.n = num_choices;
    auto stream = std::make_shared<TextStream>(options, Admission::Permit(), workers, text_metrics);
    channels.clear();
    for (int i = 0; i < num_choices; ++i) channels.push_back(std::make_shared<TokenChannel>(64));
    stream->add_choices({.tokens = {1, 2, 3}}, channels);
    return stream;
  }
  std::shared_ptr<TextStream> start(TextOptions options = {}, int num_choices = 1) {
    auto stream = make(std::move(options), num_choices);
    stream->start(std::make_unique<RecordingSink>(recording));
    return stream;
  }
  void say(std::string_view text, std::size_t choice = 0) {
    for (const char c : text) {
      ASSERT_EQ(channels[choice]->try_push(FakeGenerator::event(static_cast<unsigned char>(c), {})),
                Push::ok);
    }
  }
  void finish(FinishReason reason, TokenId token = kFakeEos, std::size_t choice = 0) {
    TokenEvent last = FakeGenerator::event(token, {});
    last.is_stop_token = reason == FinishReason::stop;
    last.finish = reason;
    ASSERT_EQ(channels[choice]->try_push(std::move(last)), Push::ok);
    channels[choice]->close();
  }
  double outcome(const CounterRef& counter) const { return counter.value(); }

  Metrics metrics;
  TextMetrics text_metrics{metrics, "fake"};
  FakeServable* fake = nullptr;
  ModelHandle model = make_fake_model(&fake);
  std::vector<std::shared_ptr<TokenChannel>> channels;
  std::shared_ptr<Recording> recording = std::make_shared<Recording>();
  WorkerPool workers{"test", 4};  // last: its threads end first
};

TEST_F(StreamTest, TokensBecomeText) {
  const auto stream = start();
  say("Grüße");
  finish(FinishReason::stop);
  ASSERT_TRUE(recording->wait_end());
  EXPECT_EQ(recording->text[0], "Grüße");
  EXPECT_EQ(recording->last[0].finish, FinishReason::stop);
  EXPECT_EQ(recording->usage.num_prompt_tokens, 3);
  EXPECT_EQ(recording->usage.num_completion_tokens, 8) << "seven bytes and the end";
  EXPECT_EQ(recording->usage.num_cached_tokens, 3);
  EXPECT_EQ(outcome(text_metrics.stop), 1);
}

TEST_F(StreamTest, EveryPieceIsWholeCharacters) {
  const auto stream = start();
  for (const char c : std::string("a\xE4\xBD\xA0\xF0\x9F\x98\x80z")) {
    say(std::string(1, c));
    std::this_thread::sleep_for(2ms);
  }
  finish(FinishReason::stop);
  ASSERT_TRUE(recording->wait_end());
  EXPECT_EQ(recording->text[0], "a\xE4\xBD\xA0\xF0\x9F\x98\x80z");
  for (const std::string& piece : recording->pieces) {
    EXPECT_TRUE(piece.empty() || (static_cast<unsigned char>(piece[0]) & 0xC0) != 0x80) << piece;
  }
}

TEST_F(StreamTest, WhatIsLeftOfACharacterIsReplaced) {
  const auto stream = start();
  say("a\xE4\xBD");
  finish(FinishReason::length, 'b');
  ASSERT_TRUE(recording->wait_end());
  EXPECT_EQ(recording->text[0],
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(recording->last[0].finish, FinishReason::length);
}

TEST_F(StreamTest, AStopStringEndsAndCancels) {
  const auto stream = start({.model = {}, .stop = {"STOP", "zzz"}});
  say("one STO");
  ASSERT_TRUE(recording->wait([&] { return recording->text[0] == "one "; }));
  say("P");
  ASSERT_TRUE(recording->wait_end());
  EXPECT_EQ(recording->text[0], "one ");
  EXPECT_EQ(recording->last[0].stop_string, "STOP");
  EXPECT_EQ(recording->last[0].finish, FinishReason::stop);
  EXPECT_TRUE(channels[0]->closed()) << "the engine is told";
  EXPECT_EQ(recording->usage.num_completion_tokens, 8);
  EXPECT_EQ(outcome(text_metrics.stop_string), 1);
}

TEST_F(StreamTest, TheStopStringMayStay) {
  const auto stream = start({.model = {}, .stop = {"."}, .include_stop = true});
  say("Yes.");
  ASSERT_TRUE(recording->wait_end());
  EXPECT_EQ(recording->text[0], "Yes.");
}

TEST_F(StreamTest, StopStringsWaitForMinTokens) {
  TextOptions options{.model = {}, .stop = {"a"}};
  options.sampling.min_tokens = 4;
  const auto stream = start(options);
  say("aaaaa");
  ASSERT_TRUE(recording->wait_end());
  EXPECT_EQ(recording->text[0], "aaaa");
  EXPECT_EQ(recording->usage.num_completion_tokens, 5);
}

TEST_F(StreamTest, HeldBackTextComesAtTheEnd) {
  const auto stream = start({.model = {}, .stop = {"###"}});
  say("a##");
  finish(FinishReason::length, '#' - 1);
  ASSERT_TRUE(recording->wait_end());
  EXPECT_EQ(recording->text[0], "a##\"");
}

TEST_F(StreamTest, AStopTokenIsNamed) {
  TextOptions options;
  options.sampling.stop_token_ids = {kFakeEnd};
  const auto stream = start(options);
  say("hi");
  finish(FinishReason::stop, kFakeEnd);
  ASSERT_TRUE(recording->wait_end());
  EXPECT_EQ(recording->text[0], "hi");
  EXPECT_EQ(recording->last[0].stop_token, kFakeEnd);
}

TEST_F(StreamTest, ChoicesAreMergedAndKeptApart) {
  const auto stream = start({}, 3);
  for (int round = 0; round < 20; ++round) {
    say("a", 0);
    say("b", 1);
    say("c", 2);
  }
  finish(FinishReason::stop, kFakeEos, 1);
  finish(FinishReason::length, 'c', 2);
  std::this_thread::sleep_for(10ms);
  {
    std::lock_guard lock(recording->mutex);
    EXPECT_FALSE(recording->ended);
  }
  finish(FinishReason::stop, kFakeEos, 0);
  ASSERT_TRUE(recording->wait_end());
  EXPECT_EQ(recording->text[0], std::string(20, 'a'));
  EXPECT_EQ(recording->text[1], std::string(20, 'b'));
  EXPECT_EQ(recording->text[2], std::string(21, 'c'));
  EXPECT_EQ(recording->usage.num_prompt_tokens, 3) << "the prompt counts once";
  EXPECT_EQ(recording->usage.num_completion_tokens, 63);
  EXPECT_EQ(recording->usage.num_cached_tokens, 3);
}

TEST_F(StreamTest, TokensComeWhenWanted) {
  const auto stream = start({.model = {}, .want_tokens = true});
  say("ab");
  finish(FinishReason::stop);
  ASSERT_TRUE(recording->wait_end());
  EXPECT_EQ(recording->tokens[0], (std::vector<TokenId>{'a', 'b'})) << "without the end token";
}

TEST_F(StreamTest, AnErrorEndsEveryChoice) {
  const auto stream = start({}, 2);
  say("a", 0);
  TokenEvent failed;
  failed.finish = FinishReason::error;
  failed.error = {.kind = ErrorKind::deadline_exceeded, .message = "too late"};
  ASSERT_EQ(channels[1]->try_push(std::move(failed)), Push::ok);
  ASSERT_TRUE(recording->wait_end());
  ASSERT_TRUE(recording->error);
  EXPECT_EQ(recording->error->kind, ErrorKind::deadline_exceeded);
  EXPECT_TRUE(recording->wait([&] { return recording->gone; }));
  EXPECT_TRUE(channels[0]->closed());
}

TEST_F(StreamTest, AChannelThatClosesWithoutAWordIsAnError) {
  const auto stream = start();
  say("a");
  channels[0]->close();
  ASSERT_TRUE(recording->wait_end());
  ASSERT_TRUE(recording->error);
  EXPECT_EQ(recording->error->kind, ErrorKind::internal);
}

TEST_F(StreamTest, AnAbortedSequenceIsUnavailable) {
  const auto stream = start();
  finish(FinishReason::cancelled, -1);
  ASSERT_TRUE(recording->wait_end());
  EXPECT_EQ(recording->error->kind, ErrorKind::unavailable);
}

TEST_F(StreamTest, CancelClosesAtOnceAndSaysNothing) {
  auto stream = start({}, 2);
  say("a");
  ASSERT_TRUE(recording->wait([&] { return recording->text[0] == "a"; }));
  stream->cancel();
  EXPECT_TRUE(channels[0]->closed());
  EXPECT_TRUE(channels[1]->closed());
  ASSERT_TRUE(recording->wait([&] { return recording->gone; }));
  EXPECT_FALSE(recording->ended);
  stream->cancel();  // again is harmless
}

TEST_F(StreamTest, MayBeEndedFromOutside) {
  auto stream = start({}, 2);
  say("a");
  ASSERT_TRUE(recording->wait([&] { return recording->text[0] == "a"; }));
  stream->fail({.kind = ErrorKind::unavailable, .message = "stopping"});
  EXPECT_TRUE(channels[1]->closed());
  ASSERT_TRUE(recording->wait_end());
  ASSERT_TRUE(recording->error);
  EXPECT_EQ(recording->error->message, "stopping");
  stream->fail({.kind = ErrorKind::internal, .message = "again"});
  ASSERT_TRUE(recording->wait([&] { return recording->gone; }));
  EXPECT_EQ(recording->error->message, "stopping");
}

TEST_F(StreamTest, AReaderThatLeavesCancels) {
  recording->keeps_reading = false;
  const auto stream = start();
  say("a");
  ASSERT_TRUE(recording->wait([&] { return recording->gone; }));
  EXPECT_TRUE(channels[0]->closed());
}

TEST_F(StreamTest, NothingIsLeftAlive) {
  std::weak_ptr<TextStream> weak = start();
  say("ab");
  EXPECT_FALSE(weak.expired()) << "keeps itself until the end";
  finish(FinishReason::stop);
  ASSERT_TRUE(recording->wait([&] { return recording->gone; }));
  for (int i = 0; i < 100 && !weak.expired(); ++i) std::this_thread::sleep_for(5ms);
  EXPECT_TRUE(weak.expired());
}

TEST_F(StreamTest, NeverStartedClosesItsChannels) {
  make({}).reset();
  EXPECT_TRUE(channels[0]->closed());
}

TEST_F(StreamTest, PokeIsASignOfLife) {
  const auto stream = start();
  stream->poke();
  EXPECT_TRUE(recording->wait([&] { return recording->num_idle == 1; }));
  say("a");
  finish(FinishReason::stop);
  ASSERT_TRUE(recording->wait_end());
  EXPECT_EQ(recording->num_idle, 1);
}

TEST_F(StreamTest, EchoComesFirst) {
  TextOptions options{.model = model};
  const auto stream =
      std::make_shared<TextStream>(options, Admission::Permit(), workers, text_metrics);
  channels = {std::make_shared<TokenChannel>(8)};
  stream->add_choices({.tokens = {1}, .echo = "Once "}, channels);
  stream->start(std::make_unique<RecordingSink>(recording));
  say("upon");
  finish(FinishReason::stop);
  ASSERT_TRUE(recording->wait_end());
  EXPECT_EQ(recording->text[0], "Once upon");
}

// Producers on several threads, cancels at random times: texts in order, nothing lost, no call
// after the end. Run it under the thread sanitizer.
TEST_F(StreamTest, ManyStreamsAtOnce) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    recording = std::make_shared<Recording>();
    const bool cancel = random() % 3 == 0;
    auto stream = start({}, 2);
    std::vector<std::thread> producers;
    for (std::size_t choice = 0; choice < 2; ++choice) {
      producers.emplace_back([channel = channels[choice], choice] {
        for (int i = 0; i < 50; ++i) {
          while (channel->try_push(FakeGenerator::event('a' + i % 26, {})) == Push::full) {
            std::this_thread::yield();
          }
        }
        TokenEvent last;
        last.token = kFakeEos;
        last.finish = FinishReason::stop;
        last.is_stop_token = true;
        while (channel->try_push(last) == Push::full) std::this_thread::yield();
        channel->close();
      });
    }
    if (cancel) stream->cancel();
    for (auto& producer : producers) producer.join();
    ASSERT_TRUE(recording->wait([&] { return recording->gone; }));
    if (cancel) continue;
    std::string expected;
    for (int i = 0; i < 50; ++i) expected += static_cast<char>('a' + i % 26);
    EXPECT_EQ(recording->text[0], expected);
    EXPECT_EQ(recording->text[1], expected);
  }
}

}  // namespace
}  // namespace millrace::serving
