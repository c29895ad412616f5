// Open-loop Poisson load on door, scheduler and forecaster together, in virtual time: 32 sequences,
// 10 ms a step, 16 tokens a request, so 200 requests a second. What counts is how many requests got
// their first token in time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>

#include "engine/admission.h"
#include "engine/forecaster.h"
#include "engine/scheduler_harness.h"

namespace millrace::engine {
namespace {

constexpr double kStepSeconds = 0.010;
constexpr int kNumSeqs = 32, kOutputTokens = 16;
constexpr double kCapacity = kNumSeqs / (kOutputTokens * kStepSeconds);

struct Stream {
  const char* tenant = "";
  double per_second = 0;
  double slo_seconds = 0;  // of the first token; 0: none
  int priority = 0;
};

struct Outcome {
  int num_offered = 0, num_refused = 0, num_good = 0;
  std::vector<double> ttft;  // sorted
  double quantile(double q) const {
    return ttft.empty() ? 0
                        : ttft[static_cast<std::size_t>(q * static_cast<double>(ttft.size() - 1))];
  }
};

class Server {
 public:
  explicit Server(double step_noise = 0.1) : noise_(step_noise) {
    config_ = small_config();
    config_.max_num_seqs = kNumSeqs;
    config_.max_num_batched_tokens = 512;
    config_.num_blocks = 1000;
    config_.max_num_queued = 0;
    config_.complete();
    door_.emplace(config_);
    scheduler_.emplace(config_, HashKey{1, 2});
  }

  // Offers all streams for `seconds`, then lets what was admitted finish. One outcome a stream.
  std::vector<Outcome> offer(const std::vector<Stream>& streams, double seconds) {
    std::vector<Outcome> outcomes(streams.size());
    std::vector<double> next;
    const double begin = now_;
    for (const Stream& s : streams) next.push_back(begin + gap(s));
    for (;;) {
      for (std::size_t i = 0; i < streams.size(); ++i)
        for (; next[i] <= now_ && next[i] < begin + seconds; next[i] += gap(streams[i]))
          arrive(streams[i], next[i], outcomes[i], i);
      displace(outcomes);
      if (now_ >= begin + seconds && scheduler_->num_live() == 0) break;
      step(streams, outcomes);
    }
    for (Outcome& o : outcomes) std::sort(o.ttft.begin(), o.ttft.end());
    return outcomes;
  }

 private:
  struct Request {
    double arrival;
    std::size_t stream;
    Visitor visitor;
    int num_left = kOutputTokens;
    bool started = false;
  };
  double gap(const Stream& s) {
    return std::exponential_distribution<double>(s.per_second)(random_);
  }
  void arrive(const Stream& stream, double at, Outcome& outcome, std::size_t index) {
    ++outcome.num_offered;
    Request request{.arrival = at, .stream = index, .visitor = {}};
    request.visitor.tenant = stream.tenant;
    request.visitor.priority = stream.priority;
    request.visitor.num_prompt_tokens = 8;
    request.visitor.has_slo = stream.slo_seconds > 0;
    if (stream.slo_seconds > 0) request.visitor.due_in = at + stream.slo_seconds - now_;
    if (!door_->enter(request.visitor)) {
      ++outcome.num_refused;
      return;
    }
    NewSequence s;
    s.prompt = prompt_of(8, static_cast<int>(random_() % 900));
    s.tenant = stream.tenant;
    s.priority = stream.priority;
    s.max_new_tokens = kOutputTokens;
    s.arrival = at;
    if (stream.slo_seconds > 0) s.ttft_due = at + stream.slo_seconds;
    live_[scheduler_->add(std::move(s))] = request;
    ++num_unstarted_;
  }
  void displace(std::vector<Outcome>& outcomes) {
    for (; num_unstarted_ > config_.max_num_queued; --num_unstarted_) {
      const SeqId id = scheduler_->pick_displaced();
      if (id < 0) return;
      ++outcomes[live_[id].stream].num_refused;
      door_->leave(live_[id].visitor);
      scheduler_->remove(id);
      live_.erase(id);
    }
  }
  void step(const std::vector<Stream>& streams, std::vector<Outcome>& outcomes) {
    const bool queue_was_empty = scheduler_->num_waiting() == 0;
    const StepPlan& plan = scheduler_->schedule(now_);
    const double seconds =
        kStepSeconds * std::max(0.5, std::normal_distribution<double>(1, noise_)(random_));
    now_ += seconds;
    if (plan.empty()) return;
    int num_started = 0;
    for (std::size_t i = 0; i < plan.sequences.size(); ++i) {
      const SeqId id = plan.sequences[i].sequence;
      Request& r = live_[id];
      if (!r.started) {
        r.started = true;
        door_->leave(r.visitor);
        --num_unstarted_;
        ++num_started;
      }
      scheduler_->complete(i, plan.sequences[i].samples ? 7 : -1);
      if (!plan.sequences[i].samples) continue;
      if (r.num_left-- == kOutputTokens) {
        const double ttft = now_ - r.arrival;
        outcomes[r.stream].ttft.push_back(ttft);
        outcomes[r.stream].num_good += ttft <= streams[r.stream].slo_seconds ? 1 : 0;
      }
      if (r.num_left > 0) continue;
      forecaster_.observe_finished(kOutputTokens);
      scheduler_->remove(id);
      live_.erase(id);
    }
    scheduler_->cost_model().observe(plan.load, seconds);
    forecaster_.observe(*scheduler_, config_, seconds, num_started, queue_was_empty);
    door_->publish(forecaster_.forecast());
  }

  const double noise_;
  EngineConfig config_;
  std::optional<Admission> door_;
  std::optional<Scheduler> scheduler_;
  Forecaster forecaster_;
  std::mt19937 random_{5};
  std::map<SeqId, Request> live_;
  int num_unstarted_ = 0;
  double now_ = 0;
};

TEST(Overload, GoodputHoldsWhateverIsOffered) {
  constexpr double kSeconds = 30, kSlo = 1.0;
  struct Case {
    double load, least_goodput, most_p99;
  };
  for (const Case& c :
       {Case{0.9, 0.98 * 0.9, 0.5}, Case{2, 0.95, 1.0}, Case{5, 0.90, 1.0}, Case{10, 0.80, 1.5}}) {
    const Outcome o =
        Server().offer({{.per_second = c.load * kCapacity, .slo_seconds = kSlo}}, kSeconds)[0];
    const double goodput = o.num_good / kSeconds / kCapacity;
    std::printf(
        "load %4.1fx: %5d offered, %5d refused, goodput %3.0f %% of capacity, TTFT p50 %4.0f "
        "p99 %4.0f ms\n",
        c.load, o.num_offered, o.num_refused, goodput * 100, o.quantile(0.5) * 1e3,
        o.quantile(0.99) * 1e3);
    const double offered = o.num_offered / kSeconds / kCapacity;
    EXPECT_GE(goodput, std::min(c.least_goodput, 0.98 * offered)) << c.load;
    EXPECT_LE(o.quantile(0.99), c.most_p99) << c.load;
    if (c.load < 1) {
      EXPECT_LE(o.num_refused, o.num_offered / 1000);
    }
  }
}

TEST(Overload, RecoversAsSoonAsTheFloodEnds) {
  Server server;
  server.offer({{.per_second = 5 * kCapacity, .slo_seconds = 1.0}}, 10);
  const Outcome after = server.offer({{.per_second = 0.5 * kCapacity, .slo_seconds = 1.0}}, 10)[0];
  EXPECT_EQ(after.num_refused, 0);
  EXPECT_EQ(after.num_good, after.num_offered);
}

TEST(Overload, FloodHardlyTouchesAnotherTenant) {
  const Stream quiet{.tenant = "quiet", .per_second = 0.1 * kCapacity, .slo_seconds = 1.0};
  const Stream flood{.tenant = "flood", .per_second = 10 * kCapacity, .slo_seconds = 1.0};
  const Outcome alone = Server().offer({quiet}, 30)[0];
  const Outcome beside = Server().offer({quiet, flood}, 30)[0];
  std::printf(
      "quiet tenant: TTFT p50 %.1f p99 %.1f ms alone; p50 %.1f p99 %.1f ms beside a flood, %d "
      "of %d refused\n",
      alone.quantile(0.5) * 1e3, alone.quantile(0.99) * 1e3, beside.quantile(0.5) * 1e3,
      beside.quantile(0.99) * 1e3, beside.num_refused, beside.num_offered);
  EXPECT_EQ(beside.num_refused, 0);
  EXPECT_LE(beside.quantile(0.99), 1.3 * alone.quantile(0.99));
}

TEST(Overload, BatchWorkHardlyTouchesInteractiveWork) {
  const Stream interactive{.per_second = 0.2 * kCapacity, .slo_seconds = 1.0};
  const Stream batch{.per_second = 3 * kCapacity, .priority = 10};
  const Outcome alone = Server().offer({interactive}, 30)[0];
  const Outcome beside = Server().offer({interactive, batch}, 30)[0];
  std::printf("interactive: TTFT p99 %.1f ms alone, %.1f ms beside batch jobs\n",
              alone.quantile(0.99) * 1e3, beside.quantile(0.99) * 1e3);
  EXPECT_EQ(beside.num_refused, 0);
  EXPECT_LE(beside.quantile(0.99), 1.1 * alone.quantile(0.99) + 1e-9);
}

TEST(Forecaster, LearnsStartsOnlyWhileRequestsWait) {
  EngineConfig config = small_config();
  Scheduler scheduler(config, {1, 2});
  Forecaster forecaster;
  for (int i = 0; i < 100; ++i) forecaster.observe(scheduler, config, 0.01, 1, true);
  EXPECT_EQ(forecaster.forecast().starts_per_second, 0);
  for (int i = 0; i < 400; ++i) forecaster.observe(scheduler, config, 0.01, i % 2, false);
  EXPECT_NEAR(forecaster.forecast().starts_per_second, 50, 2);
  EXPECT_NEAR(forecaster.forecast().step_seconds, 0.01, 1e-4);
}

}  // namespace
}  // namespace millrace::engine
