#include "engine/engine_loop.h"

#include <algorithm>
#include <exception>
#include <random>

#include "base/check.h"
#include "base/log.h"
#include "base/worker_pool.h"
#include "engine/request_checks.h"

namespace millrace::engine {

namespace {

using namespace std::chrono_literals;

constexpr auto kPollInterval = 2ms;  // for readers to make room, while nothing can run
constexpr auto kLastWords = 200ms;   // for last events to be taken when the engine stops

HashKey random_key() {
  std::random_device device;
  const auto word = [&] { return std::uint64_t{device()} << 32 | device(); };
  return {word(), word()};
}

EngineConfig completed(EngineConfig config) {
  config.complete();
  return config;
}

Error stopping_error() {
  return {.kind = ErrorKind::unavailable,
          .message = "the model is being unloaded",
          .code = "server_shutdown",
          .retry_after_ms = 1000};
}

// Runners are ours and do not throw, but what they are built on may be out of memory.
template <class Call>
Status guarded(Call call) {
  try {
    return call();
  } catch (const std::exception& e) {
    return millrace::fail(ErrorKind::internal, e.what());
  }
}

}  // namespace

Engine::Loop::Loop(EngineConfig config, std::unique_ptr<StepRunner> runner, Metrics& metrics)
    : config_(completed(std::move(config))),
      metrics_(metrics, config_),
      admission_(config_),
      runner_(std::move(runner)),
      scheduler_(config_, random_key()) {
  publish();
  thread_ = std::thread([this] { run(); });
}

Engine::Loop::~Loop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

double Engine::Loop::on_clock(TimePoint time) const {
  return time == kNever ? kNoTime : seconds_between(epoch_, time);
}

// Any thread.
Status Engine::Loop::submit(GenerateRequest request, std::shared_ptr<TokenChannel> reply) {
  if (Status checked = check_request(request, config_); !checked) {
    metrics_.refused_invalid.add();
    return checked;
  }
  auto arrival = std::make_unique<LiveRequest>();
  LiveRequest& r = *arrival;
  r.queued = now();
  r.arrival = on_clock(request.arrival);
  const double deadline = on_clock(request.deadline);
  if (deadline <= r.queued)
    return millrace::fail(ErrorKind::deadline_exceeded, "the deadline has passed", "timeout",
                          "deadline_exceeded");
  r.visitor = {.tenant = request.tenant,
               .priority = request.priority,
               .num_prompt_tokens = static_cast<int>(request.prompt.size()),
               .has_slo = request.slo_ttft_seconds > 0,
               .due_in = deadline - r.queued};
  if (r.visitor.has_slo)
    r.visitor.due_in = std::min(r.visitor.due_in, r.arrival + request.slo_ttft_seconds - r.queued);
  if (Status entered = admission_.enter(r.visitor); !entered) {
    (entered.error().code == "queue_full" ? metrics_.refused_full : metrics_.refused_deadline)
        .add();
    return entered;
  }
  r.num_prompt_tokens = r.visitor.num_prompt_tokens;
  r.request = std::move(request);
  r.reply = std::move(reply);
  {
    std::lock_guard lock(mutex_);
    if (stopping_) {
      admission_.leave(r.visitor);
      return std::unexpected(stopping_error());
    }
    inbox_.push_back(std::move(arrival));
  }
  wake_.notify_one();
  return {};
}

void Engine::Loop::run() {
  name_this_thread("engine");
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      if (stopping_) break;
    }
    step();
  }
  end_all();
}

void Engine::Loop::step() {
  drain_inbox();
  drop_departed();
  const StepPlan& plan = scheduler_.schedule(now());
  if (plan.empty()) return wait_for_work();
  Status outcome = launch(plan);
  if (outcome) outcome = collect();
  finish(plan, outcome);
}

void Engine::Loop::drain_inbox() {
  arrivals_.clear();
  {
    std::lock_guard lock(mutex_);
    arrivals_.swap(inbox_);
  }
  queue_was_empty_ = scheduler_.num_waiting() == 0;
  for (std::unique_ptr<LiveRequest>& arrival : arrivals_) enqueue(std::move(arrival));
  if (!arrivals_.empty()) displace_surplus();
}

void Engine::Loop::enqueue(std::unique_ptr<LiveRequest> arrival) {
  checked_ = false;
  LiveRequest& r = *arrival;
  const GenerateRequest& q = r.request;
  const SeqId id =
      scheduler_.add({.prompt = std::move(r.request.prompt),
                      .tenant = q.tenant,
                      .cache_salt = q.cache_salt,
                      .max_new_tokens = q.sampling.max_tokens,
                      .priority = q.priority,
                      .arrival = r.arrival,
                      .deadline = on_clock(q.deadline),
                      .ttft_due = q.slo_ttft_seconds > 0 ? r.arrival + q.slo_ttft_seconds : kNoTime,
                      .tpot_seconds = q.slo_tpot_seconds > 0 ? q.slo_tpot_seconds : kNoTime,
                      .wants_prompt_logprobs = q.sampling.num_prompt_logprobs >= 0});
  if (static_cast<std::size_t>(id) >= live_.size()) live_.resize(static_cast<std::size_t>(id) + 1);
  live_[static_cast<std::size_t>(id)] = std::move(arrival);
  ++num_unstarted_;
}

// The door let in more than may wait, for tenants below their share and for higher priorities.
void Engine::Loop::displace_surplus() {
  while (num_unstarted_ > config_.max_num_queued) {
    const SeqId id = scheduler_.pick_displaced();
    if (id < 0) return;
    metrics_.refused_full.add();
    fail(id, {.kind = ErrorKind::unavailable,
              .message = "the queue is full and others were waiting for their share of it",
              .code = "queue_full",
              .retry_after_ms = admission_.retry_after_ms()});
  }
}

Status Engine::Loop::launch(const StepPlan& plan) {
  step_began_ = now();
  num_started_in_step_ = 0;
  for (std::size_t i = static_cast<std::size_t>(plan.num_decodes); i < plan.sequences.size(); ++i)
    if (!live(plan.sequences[i].sequence)->started) start(plan.sequences[i].sequence);
  output_.sampled.resize(std::max(output_.sampled.size(), plan.sequences.size()));
  return guarded([&] { return runner_->launch(plan); });
}

Status Engine::Loop::collect() {
  return guarded([&] { return runner_->collect(output_); });
}

void Engine::Loop::start(SeqId id) {
  LiveRequest& r = *live(id);
  const Sequence& s = scheduler_.sequence(id);
  r.started = true;
  r.scheduled = step_began_;
  r.num_cached_tokens = s.num_cached_tokens;
  runner_->begin(id, s.tokens, r.request.sampling);
  admission_.leave(r.visitor);
  --num_unstarted_;
  ++num_started_in_step_;
  metrics_.queue_time.observe(r.scheduled - r.queued);
  metrics_.prompt_tokens.add(r.num_prompt_tokens);
}

void Engine::Loop::finish(const StepPlan& plan, const Status& outcome) {
  const double seconds = now() - step_began_;
  if (!outcome) {
    metrics_.step_failures.add();
    log_error("model {}: a step of {} sequences failed: {}", config_.model_name,
              plan.sequences.size(), outcome.error().message);
    for (const ScheduledSequence& entry : plan.sequences)
      fail(entry.sequence, {.kind = ErrorKind::internal, .message = "the model failed"}, true);
  } else {
    for (std::size_t i = 0; i < plan.sequences.size(); ++i) {
      const SeqId id = plan.sequences[i].sequence;
      SampledToken& sampled = output_.sampled[i];
      if (sampled.failed) {
        log_error("model {}: request {} produced numbers that are not finite", config_.model_name,
                  live(id)->request.id);
        fail(id, {.kind = ErrorKind::internal, .message = "the model's output is not finite"},
             true);
        continue;
      }
      scheduler_.complete(i, sampled.token);
      if (sampled.token >= 0) accept_token(id, sampled);
    }
    scheduler_.cost_model().observe(plan.load, seconds);
  }
  observe_step(plan, seconds);
  publish();
}

void Engine::Loop::accept_token(SeqId id, SampledToken& sampled) {
  LiveRequest& r = *live(id);
  ++r.num_completion_tokens;
  const double time = now();
  r.observe_token(metrics_, time);
  TokenEvent event;
  event.token = sampled.token;
  event.finish = r.finish_after(sampled.token, config_, &event.is_stop_token);
  event.logprob = sampled.logprob;
  event.top_logprobs = std::move(sampled.top_logprobs);
  event.prompt_logprobs = std::move(sampled.prompt_logprobs);
  event.usage = r.usage();
  if (event.finish != FinishReason::none) {
    forecaster_.observe_finished(r.num_completion_tokens);
    deliver_last(detach(id, false), std::move(event));
    return;
  }
  switch (r.deliver(std::move(event), time)) {
    case Delivery::done:
      break;
    case Delivery::cancelled:
      cancel(id);
      break;
    case Delivery::held:
      scheduler_.pause(id);
      held_.push_back(id);
      break;
  }
}

void Engine::Loop::observe_step(const StepPlan& plan, double seconds) {
  forecaster_.observe(scheduler_, config_, seconds, num_started_in_step_, queue_was_empty_);
  admission_.publish(forecaster_.forecast());
  metrics_.step_seconds.observe(seconds);
  metrics_.iteration_tokens.observe(plan.load.num_new_tokens);
  int num_sampled = 0;
  for (const ScheduledSequence& entry : plan.sequences) num_sampled += entry.samples ? 1 : 0;
  metrics_.generation_tokens.add(num_sampled);
  metrics_.cost_model_error.set(scheduler_.cost_model().mean_relative_error());
  const auto add_new = [](const CounterPair& counter, std::uint64_t total,
                          std::uint64_t& reported) {
    if (total > reported) counter.add(static_cast<double>(total - reported));
    reported = total;
  };
  add_new(metrics_.preemptions, scheduler_.num_preemptions(), reported_preemptions_);
  add_new(metrics_.prefix_queries, scheduler_.num_prefix_queries(), reported_queries_);
  add_new(metrics_.prefix_hits, scheduler_.num_prefix_hits(), reported_hits_);
  num_steps_.fetch_add(1, std::memory_order_relaxed);
}

void Engine::Loop::publish() {
  const BlockPool& pool = scheduler_.pool();
  const int num_put_back = scheduler_.num_waiting() - num_unstarted_;
  num_running_ = scheduler_.num_running() + scheduler_.num_paused();
  num_put_back_ = num_put_back;
  num_free_ = pool.num_free();
  num_cached_ = pool.num_cached();
  last_progress_ = now();
  metrics_.running.set(scheduler_.num_running());
  metrics_.waiting.set(admission_.num_waiting() + num_put_back);
  if (pool.num_blocks() > 0)
    metrics_.kv_usage.set(static_cast<double>(pool.num_referenced()) / pool.num_blocks());
}

// Nothing can run: until a request comes, or, while any waits for its reader, a moment.
void Engine::Loop::wait_for_work() {
  const bool is_idle = scheduler_.num_live() == 0;
  if (is_idle) check_when_idle();
  publish();
  idle_ = is_idle;
  std::unique_lock lock(mutex_);
  const auto has_work = [&] { return stopping_ || !inbox_.empty(); };
  if (is_idle && lingering_.empty()) {
    wake_.wait(lock, has_work);
  } else {
    wake_.wait_for(lock, kPollInterval, has_work);
  }
  last_progress_ = now();
  idle_ = false;
}

void Engine::Loop::check_when_idle() {
  if (checked_) return;
  checked_ = true;
  forecaster_.rest();
  admission_.publish(forecaster_.forecast());
  const std::string wrong = scheduler_.check_integrity();
  if (wrong.empty()) return;
  metrics_.integrity_violations.add();
  log_error("model {}: engine integrity: {}", config_.model_name, wrong);
}

void Engine::Loop::end_all() {
  drain_inbox();
  for (std::size_t i = 0; i < live_.size(); ++i)
    if (live_[i]) fail(static_cast<SeqId>(i), stopping_error());
  const TimePoint until = Clock::now() + kLastWords;
  while (!lingering_.empty() && Clock::now() < until) {
    serve_slow_readers();
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kPollInterval, [] { return false; });
  }
  for (const std::unique_ptr<LiveRequest>& r : lingering_) r->reply->close();
  publish();
}

GeneratorStats Engine::Loop::stats() const {
  return {.num_running = num_running_,
          .num_waiting = admission_.num_waiting() + num_put_back_,
          .num_blocks = config_.num_blocks,
          .num_free_blocks = num_free_,
          .num_cached_blocks = num_cached_,
          .num_steps = num_steps_,
          .last_step_age_seconds = idle_ ? 0.0 : now() - last_progress_};
}

}  // namespace millrace::engine
