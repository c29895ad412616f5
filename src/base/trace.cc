#include "base/trace.h"

#include <algorithm>
#include <chrono>

#include "base/random_id.h"

namespace millrace {
namespace {

constexpr std::size_t kIdDigits = 32;

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool all_zero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

struct TraceParent {
  std::string_view id;
  bool sampled = false;
};

// https://www.w3.org/TR/trace-context/#traceparent-header: version-id-parent-flags. Later versions
// may add fields at the end.
TraceParent read_traceparent(std::string_view text) {
  constexpr std::size_t kLength = 55, kId = 3, kParent = 36, kFlags = 53;
  if (text.size() < kLength || (text.size() > kLength && text[kLength] != '-')) return {};
  if (text[kId - 1] != '-' || text[kParent - 1] != '-' || text[kFlags - 1] != '-') return {};
  const auto version = text.substr(0, 2), id = text.substr(kId, kIdDigits);
  const auto parent = text.substr(kParent, 16), flags = text.substr(kFlags, 2);
  const bool good = is_hex(version) && is_hex(id) && is_hex(parent) && is_hex(flags) &&
                    version != "ff" && !all_zero(id) && !all_zero(parent);
  if (!good || (version == "00" && text.size() != kLength)) return {};
  const char low = flags[1];
  const int digit = low <= '9' ? low - '0' : low - 'a' + 10;
  return {.id = id, .sampled = (digit & 1) != 0};
}

std::int64_t unix_us(TimePoint time) {
  using std::chrono::duration_cast, std::chrono::microseconds, std::chrono::system_clock;
  const auto wall = system_clock::now() - (Clock::now() - time);
  return duration_cast<microseconds>(wall.time_since_epoch()).count();
}

std::string cut(std::string_view text) {
  return std::string(text.substr(0, Trace::kMaxNameBytes));
}

}  // namespace

Trace::Trace(std::string id, std::string_view kind, std::string_view model, TimePoint start)
    : id_(std::move(id)),
      kind_(kind),
      model_(cut(model)),
      start_(start),
      start_unix_us_(unix_us(start)) {}

void Trace::add(TraceSpan span) {
  std::lock_guard lock(mutex_);
  if (spans_.size() >= kMaxSpans) {
    ++num_left_out_;
  } else {
    spans_.push_back(std::move(span));
  }
}

void Trace::finish(TimePoint end) {
  std::lock_guard lock(mutex_);
  if (std::exchange(done_, true)) return;
  spans_.push_back({.name = "request", .start = start_, .end = end});
}

Trace::Snapshot Trace::now() const {
  Snapshot snapshot;
  {
    std::lock_guard lock(mutex_);
    snapshot = {.spans = spans_, .done = done_, .num_left_out = num_left_out_};
  }
  std::ranges::stable_sort(snapshot.spans, [](const TraceSpan& a, const TraceSpan& b) {
    return std::pair(a.start, a.depth) < std::pair(b.start, b.depth);
  });
  return snapshot;
}

struct TraceHandle::Request {
  std::shared_ptr<Trace> trace;
  ~Request() { trace->finish(Clock::now()); }
};

TraceHandle::TraceHandle(std::shared_ptr<Trace> trace)
    : request_(std::make_shared<Request>(std::move(trace))) {}

void TraceHandle::span(std::string_view name, TimePoint start, TimePoint end,
                       std::initializer_list<TraceNumber> numbers) const {
  if (!request_) return;
  request_->trace->add({.name = cut(name),
                        .start = start,
                        .end = end,
                        .depth = depth_,
                        .numbers = std::vector<TraceNumber>(numbers)});
}

TraceHandle TraceHandle::inside() const {
  TraceHandle inner = *this;
  ++inner.depth_;
  return inner;
}

void TraceHandle::finish() const {
  if (request_) request_->trace->finish(Clock::now());
}

std::string_view TraceHandle::id() const {
  return request_ ? std::string_view(request_->trace->id()) : std::string_view();
}

TraceLog::TraceLog(Options options) : options_(options) {}

TraceHandle TraceLog::begin(std::string_view kind, std::string_view model, TimePoint start,
                            bool asked, std::string_view traceparent) {
  const TraceParent parent = read_traceparent(traceparent);
  asked = asked || parent.sampled;
  if (!asked) {
    if (options_.every <= 0) return {};
    const auto number = num_requests_.fetch_add(1, std::memory_order_relaxed);
    if (number % static_cast<std::uint64_t>(options_.every) != 0) return {};
  }
  auto trace = std::make_shared<Trace>(parent.id.empty() ? random_id() : std::string(parent.id),
                                       kind, model, start);
  {
    std::lock_guard lock(mutex_);
    if (ring_.size() < options_.capacity) {
      ring_.push_back(trace);
    } else if (!ring_.empty()) {
      ring_[next_] = trace;
    }
    next_ = (next_ + 1) % std::max<std::size_t>(1, options_.capacity);
  }
  return TraceHandle(std::move(trace));
}

std::vector<std::shared_ptr<const Trace>> TraceLog::latest(std::size_t count) const {
  std::vector<std::shared_ptr<const Trace>> out;
  std::lock_guard lock(mutex_);
  count = std::min(count, ring_.size());
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(ring_[(next_ + options_.capacity - 1 - i) % options_.capacity]);
  }
  return out;
}

std::shared_ptr<const Trace> TraceLog::find(std::string_view id) const {
  for (auto& trace : latest(options_.capacity)) {
    if (trace->id() == id) return trace;
  }
  return nullptr;
}

}  // namespace millrace
