#include "serving/batcher.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/foreground.h"
#include "base/worker_pool.h"
#include "serving/batch_merge.h"
#include "serving/batcher_item.h"

namespace millrace::serving {
namespace {

constexpr int kLast = std::numeric_limits<int>::max();  // a priority behind all others

thread_local bool starts_next = false;  // this thread starts an execution where one has ended

// Where requests can be merged, a batch is formed when the device is free and not before. Where
// they cannot, one more lies ready in the runtime so that it need not wait for us.
int max_running(const TensorModel& model, const ModelDescription& description) {
  return description.max_batch_size > 1 ? model.max_concurrency() : model.max_concurrency() + 1;
}

// One more lies ready in the runtime, as above. Whoever asked for sizes or a delay wants merging.
int max_beside(const TensorModel& model, const BatchLimits& limits) {
  const int most = model.max_in_company();
  return most == 0 || limits.fixed_delay || !limits.preferred_rows.empty() ? 0 : most + 1;
}

// The runtime's three parts end to end, up to the result.
void trace_of(const TraceHandle& trace, TimePoint submitted, TimePoint started, TimePoint now,
              const TensorTimes& times, std::int64_t rows) {
  if (!trace) return;
  using std::chrono::nanoseconds;
  trace.span("queue", submitted, started);
  const TimePoint computing = started + nanoseconds(times.input);
  const TimePoint computed = computing + nanoseconds(times.infer);
  trace.span("input", started, std::min(computing, now));
  trace.span("infer", std::min(computing, now), std::min(computed, now), {{"batch_rows", rows}});
  trace.span("output", std::min(computed, now), now);
}

}  // namespace

struct Batcher::Started {
  TimePoint at{};
  Turn turn = Turn::whole;
};

Batcher::Batcher(TensorModel& model, const ModelDescription& description, TensorStats& stats,
                 BatcherOptions options)
    : model_(model),
      description_(description),
      stats_(stats),
      options_(std::move(options)),
      max_running_(max_running(model, description)),
      max_beside_(max_beside(model, options_.limits)),
      num_cores_(Foreground::cores_of_process()),
      policy_(options_.limits) {
  thread_ = std::thread([this] {
    name_this_thread("batcher");
    run();
  });
  shown_load_ = stats_.watch([this] { return load(); });
}

Batcher::~Batcher() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  thread_.join();
  Items left;
  {
    std::unique_lock lock(mutex_);
    for (auto& [key, item] : queue_) left.push_back(std::move(item));
    for (auto& [serial, item] : held_) left.push_back(std::move(item));
    queue_.clear();
    held_.clear();
  }
  for (auto& item : left) {
    refuse(std::move(item),
           {.kind = ErrorKind::unavailable, .message = "the model is being unloaded"});
  }
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return num_unanswered_ == 0; });
}

TensorLoad Batcher::load() const {
  std::lock_guard lock(mutex_);
  return {.num_pending = queue_.size() + held_.size(), .num_running = num_requests_running_};
}

std::size_t Batcher::num_queued() const {
  std::lock_guard lock(mutex_);
  return queue_.size() + held_.size();
}

std::unique_ptr<Batcher::Item> Batcher::make_item(BatchRequest request) const {
  auto item = std::unique_ptr<Item>(new Item{.request = std::move(request)});
  if (item->request.num_rows < 1 || item->request.num_rows > options_.limits.max_rows) {
    item->request.alone = true;
  }
  item->submitted = Clock::now();
  return item;
}

void Batcher::watch_stop(Item& item) {
  item.on_stop.emplace(item.request.stop, [this] {  // may call at once
    {
      std::lock_guard lock(mutex_);
      look_for_stopped_ = true;
    }
    wake_.notify_one();
  });
}

void Batcher::submit(BatchRequest request) {
  auto item = make_item(std::move(request));
  const bool is_instant = model_.is_instant(bytes_of(item->request.inputs));
  if (item->request.deadline <= item->submitted) return refuse(std::move(item), too_late());
  if (!is_instant) watch_stop(*item);
  std::unique_lock lock(mutex_);
  if (closing_ || is_full(item->request.priority)) {
    lock.unlock();
    return refuse(std::move(item), overloaded());
  }
  item->serial = next_serial_++;
  const TimePoint now = item->submitted;
  start_or_queue(std::move(item), is_instant, now, std::move(lock));
}

void Batcher::start_or_queue(std::unique_ptr<Item> item, bool is_instant, TimePoint now,
                             std::unique_lock<std::mutex> lock) {
  const BatchRequest& asked = item->request;
  policy_.on_arrival(now, asked.num_rows);
  const Waiting lone{.num_requests = 1,
                     .num_rows = asked.num_rows,
                     .oldest = item->submitted,
                     .earliest_deadline = asked.deadline};
  const Turn its = is_instant ? Turn::whole : queue_.empty() ? turn(lone, asked.alone) : Turn::none;
  if (is_instant || its == Turn::beside ||
      (its == Turn::whole && (asked.alone || policy_.run_at(lone, now) <= now))) {
    ++num_running_;
    ++num_unanswered_;
    ++num_requests_running_;
    lock.unlock();
    Items alone;
    alone.push_back(std::move(item));
    return start(std::move(alone), its, now);
  }
  const std::pair key(asked.priority, item->serial);
  if (asked.stop.stop_requested()) look_for_stopped_ = true;  // it was while nobody could see it
  const bool must_look = sleeps_past(std::min(asked.deadline, asked.demote_at));
  queue_.emplace(key, std::move(item));
  lock.unlock();
  if (must_look) wake_.notify_one();
}

bool Batcher::sleeps_past(TimePoint due) const {
  return look_for_stopped_ || num_running_ < std::max(max_running_, max_beside_) ||
         due < sleeps_until_;
}

bool Batcher::is_full(int priority) const {
  const QueueSettings& all = options_.settings.queue;
  if (queue_.size() + held_.size() >= static_cast<std::size_t>(all.max_size)) return true;
  const auto own = std::ranges::find(options_.settings.queue_of, priority,
                                     [](const auto& level) { return level.first; });
  if (own == options_.settings.queue_of.end() || own->second.max_size == 0) return false;
  const auto is_of_level = [&](const auto& entry) {
    return entry.second->request.priority == priority;
  };
  return std::ranges::count_if(queue_, is_of_level) + std::ranges::count_if(held_, is_of_level) >=
         own->second.max_size;
}

void Batcher::demote_late(TimePoint now) {
  for (auto entry = queue_.begin(); entry != queue_.end();) {
    const auto at = entry++;
    if (at->second->request.demote_at > now) continue;
    auto late = queue_.extract(at);
    late.mapped()->request.demote_at = kNever;
    late.key().first = kLast;
    queue_.insert(std::move(late));
  }
  for (auto& [serial, item] : held_) {
    if (item->request.demote_at > now) continue;
    item->request.demote_at = kNever;
    item->request.priority = kLast;
  }
}

template <class Waiters>
void Batcher::take_departed_of(Waiters& waiters, TimePoint now, Items& out) {
  for (auto entry = waiters.begin(); entry != waiters.end();) {
    const BatchRequest& request = entry->second->request;
    if (!request.stop.stop_requested() && request.deadline > now) {
      ++entry;
      continue;
    }
    out.push_back(std::move(entry->second));
    entry = waiters.erase(entry);
  }
}

bool Batcher::take_departed(TimePoint now, Items& out) {
  if (!std::exchange(look_for_stopped_, false) && next_change() > now) return false;
  demote_late(now);
  take_departed_of(queue_, now, out);
  take_departed_of(held_, now, out);
  return !out.empty();
}

Waiting Batcher::waiting() const {
  const BatchRequest& first = queue_.begin()->second->request;
  Waiting all{.oldest = queue_.begin()->second->submitted};
  for (const auto& [key, item] : queue_) {
    const BatchRequest& request = item->request;
    all.earliest_deadline = std::min(all.earliest_deadline, request.deadline);
    if (request.alone || !can_merge(first.inputs, request.inputs)) continue;
    ++all.num_requests;
    all.num_rows += request.num_rows;
    all.oldest = std::min(all.oldest, item->submitted);
  }
  return all;
}

Batcher::Turn Batcher::turn(const Waiting& waiting, bool alone) const {
  if (max_beside_ == 0) return num_running_ < max_running_ ? Turn::whole : Turn::none;
  if (num_running_ == 0 && waiting.num_requests <= 1) return Turn::whole;
  const bool merged = !alone && options_.limits.max_rows > 1 && company_.merges();
  if (merged) return num_running_ == 0 ? Turn::whole : Turn::none;
  return num_running_ < max_beside_ ? Turn::beside : Turn::none;
}

Batcher::Items Batcher::take_batch(Turn turn) {
  std::int64_t max_rows = policy_.rows_to_take(waiting().num_rows);
  if (turn == Turn::beside) max_rows = 0;
  const std::int64_t enough_to_learn = max_beside_ > 0 ? company_.most_rows() : 0;
  if (enough_to_learn > 0) max_rows = std::min(max_rows, enough_to_learn);
  Items batch;
  batch.push_back(std::move(queue_.begin()->second));
  queue_.erase(queue_.begin());
  const BatchRequest& first = batch.front()->request;
  if (first.alone) return batch;
  std::int64_t rows = first.num_rows;
  for (auto entry = queue_.begin(); entry != queue_.end() && rows < max_rows;) {
    const BatchRequest& request = entry->second->request;
    const bool fits = !request.alone && rows + request.num_rows <= max_rows &&
                      can_merge(first.inputs, request.inputs);
    if (!fits) {
      ++entry;
      continue;
    }
    rows += request.num_rows;
    batch.push_back(std::move(entry->second));
    entry = queue_.erase(entry);
  }
  return batch;
}

TimePoint Batcher::next_change() const {
  TimePoint earliest = kNever;
  const auto look = [&](const auto& entry) {
    earliest =
        std::min({earliest, entry.second->request.deadline, entry.second->request.demote_at});
  };
  std::ranges::for_each(queue_, look);
  std::ranges::for_each(held_, look);
  return earliest;
}

void Batcher::run() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    Items departed;
    const TimePoint now = Clock::now();
    if (take_departed(now, departed)) {
      lock.unlock();
      turn_away(std::move(departed));
      lock.lock();
      continue;
    }
    TimePoint wake_at = next_change();
    const bool may_run = num_running_ < std::max(max_running_, max_beside_);
    const Waiting all = queue_.empty() || !may_run ? Waiting{} : waiting();
    const bool alone = !queue_.empty() && queue_.begin()->second->request.alone;
    const Turn next = queue_.empty() || !may_run ? Turn::none : turn(all, alone);
    if (next != Turn::none) {
      const TimePoint run_at = alone || next == Turn::beside ? now : policy_.run_at(all, now);
      if (run_at <= now) {
        Items batch = take_batch(next);
        ++num_running_;
        ++num_unanswered_;
        num_requests_running_ += batch.size();
        lock.unlock();
        start(std::move(batch), next, now);
        lock.lock();
        continue;
      }
      wake_at = std::min(wake_at, run_at);
    }
    sleeps_until_ = wake_at;
    if (wake_at == kNever) {
      wake_.wait(lock);
    } else {
      wake_.wait_until(lock, wake_at);
    }
    sleeps_until_ = TimePoint::min();
  }
}

void Batcher::refuse(std::unique_ptr<Item> item, Error error) {
  stats_.on_failure(error, ns_between(item->request.arrival, Clock::now()));
  TensorReply reply = std::move(item->request.reply);
  item.reset();
  reply(std::unexpected(std::move(error)));
}

void Batcher::turn_away(Items departed) {
  for (auto& item : departed) {
    const bool cancelled = item->request.stop.stop_requested();
    refuse(std::move(item),
           cancelled ? Error{.kind = ErrorKind::cancelled, .message = "the request was cancelled"}
                     : Error{.kind = ErrorKind::deadline_exceeded,
                             .message = "the request's time was over before the model was free"});
  }
}

void Batcher::start(Items items, Turn turn, TimePoint now) {
  const Started started{.at = now, .turn = turn};
  TensorBatch batch = items.size() == 1 ? lone_batch(items.front()->request) : merged_batch(items);
  batch.in_company = turn == Turn::beside;
  const int at_once = batch.in_company ? model_.max_in_company() : model_.max_concurrency();
  auto waited_for = std::make_unique<Foreground>(std::max(num_cores_ / at_once, 1));
  model_.infer(std::move(batch),
               [this, started, items = std::move(items),
                waited_for = std::move(waited_for)](Result<TensorResult> result) mutable {
                 const auto until_answered = std::move(waited_for);
                 finished(std::move(items), started, std::move(result));
               });
}

// Takes the inputs: what failed alone is not tried again.
TensorBatch Batcher::lone_batch(BatchRequest& request) {
  return {.inputs = std::move(request.inputs),
          .owner = request.owner,
          .stop = request.stop,
          .priority = request.priority,  // as the queue has it
          .deadline = request.deadline,
          .trace = request.trace};
}

TensorBatch Batcher::merged_batch(const Items& items) {
  TensorBatch batch{.priority = items.front()->request.priority,
                    .deadline = items.front()->request.deadline};
  std::vector<const std::vector<InputTensor>*> inputs;
  auto owners = std::make_shared<std::vector<std::shared_ptr<const void>>>();
  for (const auto& item : items) {
    inputs.push_back(&item->request.inputs);
    owners->push_back(item->request.owner);
    batch.deadline = std::max(batch.deadline, item->request.deadline);
  }
  batch.inputs = merge(inputs);
  batch.owner = std::move(owners);
  return batch;
}

void Batcher::learn(const Started& started, TimePoint now, std::int64_t rows) {
  if (started.turn == Turn::whole) policy_.on_batch(rows, now - started.at);
  company_.on_end(rows, started.at, now);
}

void Batcher::finished(Items items, const Started& started, Result<TensorResult> result) {
  const TimePoint now = Clock::now();
  std::int64_t rows = 0;
  for (const auto& item : items) rows += item->request.num_rows;
  // One bad request must not fail its company: each is tried again by itself.
  const bool try_alone = !result && items.size() > 1;
  Items next;
  {
    std::lock_guard lock(mutex_);
    if (result) learn(started, now, rows);
    --num_running_;
    num_requests_running_ -= items.size();
    if (try_alone && !closing_) {
      for (auto& item : items) {
        item->request.alone = true;
        const std::pair key(item->request.priority, item->serial);
        queue_.emplace(key, std::move(item));
      }
      items.clear();
    }
    // The place that is free now goes to whoever is next to run beside others, from here: sooner
    // than the batcher's thread is woken. Not within itself, where executions are over at once.
    if (!starts_next && !closing_ && !queue_.empty()) {
      const BatchRequest& first = queue_.begin()->second->request;
      const bool is_wanted = !first.stop.stop_requested() && first.deadline > now;
      if (is_wanted && turn(waiting(), first.alone) == Turn::beside) {
        next = take_batch(Turn::beside);
        ++num_running_;
        ++num_unanswered_;
        num_requests_running_ += next.size();
      }
    }
    // What was queued has been looked at since, but not what is queued again.
    if (!queue_.empty() && (try_alone || sleeps_past(kNever))) wake_.notify_one();
  }
  if (!next.empty()) {
    starts_next = true;
    start(std::move(next), Turn::beside, now);
    starts_next = false;
  }
  if (result) {
    answer(std::move(items), rows, started.at, now, *std::move(result));
  } else {
    for (auto& item : items) refuse(std::move(item), result.error());
  }
  std::lock_guard lock(mutex_);
  if (--num_unanswered_ == 0) idle_.notify_all();
}

void Batcher::answer(Items items, std::int64_t rows, TimePoint started, TimePoint now,
                     TensorResult result) {
  TensorTimes times{.input = result.input_ns, .infer = result.infer_ns, .output = result.output_ns};
  const auto count = [&](const Items& answered) {  // before the first reply is seen
    auto record = stats_.on_batch(rows, times);
    for (const auto& item : answered) {
      record.add_success(item->request.num_rows, ns_between(item->submitted, started),
                         ns_between(item->request.arrival, now));
    }
  };
  const std::size_t num_requests = items.size();
  const auto reply_to = [&](std::unique_ptr<Item> item, std::vector<OutputTensor> outputs) {
    times.queue = ns_between(item->submitted, started);
    times.whole = ns_between(item->request.arrival, now);
    trace_of(item->request.trace, item->submitted, started, now, times, rows);
    TensorReply reply = std::move(item->request.reply);
    item.reset();
    reply(TensorAnswer{.outputs = std::move(outputs),
                       .owner = result.owner,
                       .times = times,
                       .num_requests = num_requests});
  };
  if (items.size() == 1) {
    count(items);
    return reply_to(std::move(items.front()), std::move(result.outputs));
  }
  std::vector<std::int64_t> rows_of;
  for (const auto& item : items) rows_of.push_back(item->request.num_rows);
  auto outputs = split(description_, result.outputs, rows_of);
  if (!outputs) {
    count({});
    for (auto& item : items) refuse(std::move(item), outputs.error());
    return;
  }
  count(items);
  for (std::size_t i = 0; i < items.size(); ++i) {
    reply_to(std::move(items[i]), std::move((*outputs)[i]));
  }
}

}  // namespace millrace::serving
