// How requests leave an engine before their last token: cancelled, expired, failed, displaced by
// others, or because nobody reads what they say.
#include <algorithm>

#include "engine/engine_loop.h"

namespace millrace::engine {

namespace {

constexpr std::size_t kSweepSize = 1024;  // waiting requests looked at for cancellation a step

}  // namespace

void Engine::Loop::drop_departed() {
  serve_slow_readers();
  drop_cancelled();
  drop_expired();
}

// Those that decode are seen when their next token is pushed; the others are looked at here.
void Engine::Loop::drop_cancelled() {
  suspects_.assign(scheduler_.prefilling().begin(), scheduler_.prefilling().end());
  const std::size_t count = std::min(live_.size(), kSweepSize);
  for (std::size_t i = 0; i < count; ++i) {
    sweep_ = sweep_ + 1 < live_.size() ? sweep_ + 1 : 0;
    if (live_[sweep_]) suspects_.push_back(static_cast<SeqId>(sweep_));
  }
  for (const SeqId id : suspects_)
    if (live(id) != nullptr && live(id)->reply->closed()) cancel(id);
}

void Engine::Loop::drop_expired() {
  suspects_.clear();
  scheduler_.collect_expired(now(), suspects_);
  for (const SeqId id : suspects_)
    fail(id, {.kind = ErrorKind::deadline_exceeded,
              .message = live(id)->started ? "the deadline passed while generating"
                                           : "the deadline passed while waiting",
              .code = "deadline_exceeded"});
}

void Engine::Loop::serve_slow_readers() {
  const double time = now();
  std::erase_if(lingering_, [&](const std::unique_ptr<LiveRequest>& r) {
    const bool gone =
        r->deliver_held() != Delivery::held || time - r->held_since > config_.stall_abort_seconds;
    if (gone) r->reply->close();
    return gone;
  });
  std::erase_if(held_, [&](SeqId id) {
    LiveRequest* r = live(id);
    if (r == nullptr || r->held.empty()) return true;
    const Delivery delivery = r->deliver_held();
    if (delivery == Delivery::done) scheduler_.resume(id);
    if (delivery == Delivery::cancelled) cancel(id);
    if (delivery != Delivery::held) return true;
    if (time - r->held_since <= config_.stall_abort_seconds) return false;
    metrics_.stalled.add();
    r->reply->close();
    cancel(id);
    return true;
  });
}

std::unique_ptr<LiveRequest> Engine::Loop::detach(SeqId id, bool forget) {
  std::unique_ptr<LiveRequest> r = std::move(live_[static_cast<std::size_t>(id)]);
  scheduler_.remove(id, forget);
  if (r->started) {
    runner_->end(id);
  } else {
    admission_.leave(r->visitor);
    --num_unstarted_;
  }
  return r;
}

void Engine::Loop::deliver_last(std::unique_ptr<LiveRequest> r, TokenEvent event) {
  const double time = now();
  r->observe_end(metrics_, event.finish, time);
  r->trace_end(epoch_, time);
  if (r->deliver(std::move(event), time) == Delivery::held) lingering_.push_back(std::move(r));
}

void Engine::Loop::fail(SeqId id, Error error, bool forget) {
  TokenEvent event;
  event.finish = FinishReason::error;
  event.error = std::move(error);
  std::unique_ptr<LiveRequest> r = detach(id, forget);
  event.usage = r->usage();
  deliver_last(std::move(r), std::move(event));
}

void Engine::Loop::cancel(SeqId id) {
  const std::unique_ptr<LiveRequest> r = detach(id, false);
  const double time = now();
  r->observe_end(metrics_, FinishReason::cancelled, time);
  r->trace_end(epoch_, time);
}

}  // namespace millrace::engine
