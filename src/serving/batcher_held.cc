// Requests that wait in a Batcher for something other than the device.
#include <algorithm>
#include <utility>

#include "serving/batcher.h"
#include "serving/batcher_item.h"

namespace millrace::serving {

Result<HeldRequest> Batcher::hold(BatchRequest request) {
  auto item = make_item(std::move(request));
  const auto refused = [&](Error error) {
    stats_.on_failure(error, ns_between(item->request.arrival, item->submitted));
    return std::unexpected(std::move(error));
  };
  if (item->request.deadline <= item->submitted) return refused(too_late());
  watch_stop(*item);
  const TimePoint due = std::min(item->request.deadline, item->request.demote_at);
  std::unique_lock lock(mutex_);
  if (closing_ || is_full(item->request.priority)) {
    lock.unlock();
    return refused(overloaded());
  }
  const HeldRequest held = item->serial = next_serial_++;
  if (item->request.stop.stop_requested()) look_for_stopped_ = true;  // while nobody could see it
  held_.emplace(held, std::move(item));
  const bool must_look = sleeps_past(due);
  lock.unlock();
  if (must_look) wake_.notify_one();
  return held;
}

std::unique_ptr<Batcher::Item> Batcher::take_held(HeldRequest held) {
  std::lock_guard lock(mutex_);
  auto found = held_.extract(held);
  return found ? std::move(found.mapped()) : nullptr;
}

bool Batcher::release(HeldRequest held, const std::function<void(BatchRequest&)>& complete) {
  auto item = take_held(held);
  if (!item) return false;
  complete(item->request);
  const bool is_instant = model_.is_instant(bytes_of(item->request.inputs));
  std::unique_lock lock(mutex_);
  start_or_queue(std::move(item), is_instant, Clock::now(), std::move(lock));
  return true;
}

void Batcher::withdraw(HeldRequest held, Error error) {
  if (auto item = take_held(held)) refuse(std::move(item), std::move(error));
}

}  // namespace millrace::serving
