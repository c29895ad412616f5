// Where the time of single requests went: spans, collected for few requests, kept for the last of
// them. A request that is not traced pays for a null pointer. Names of stages, models and steps,
// times and counts only: nothing that anybody asked or was answered. Thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace millrace {

using TraceNumber = std::pair<const char*, std::int64_t>;  // a literal and its value

struct TraceSpan {
  std::string name;
  TimePoint start{}, end{};
  int depth = 0;  // 0: the whole request; a span lies within one of a smaller depth
  std::vector<TraceNumber> numbers{};
};

// The spans of one request.
class Trace {
 public:
  static constexpr std::size_t kMaxSpans = 512;  // further ones are counted only
  static constexpr std::size_t kMaxNameBytes = 96;

  Trace(std::string id, std::string_view kind, std::string_view model, TimePoint start);

  const std::string& id() const { return id_; }      // 32 hexadecimal digits
  const std::string& kind() const { return kind_; }  // "chat", "tensor", "pipeline"
  const std::string& model() const { return model_; }
  std::int64_t start_unix_us() const { return start_unix_us_; }
  TimePoint start() const { return start_; }

  void add(TraceSpan span);
  // Adds the span of depth 0; the first call counts.
  void finish(TimePoint end);

  struct Snapshot {
    std::vector<TraceSpan> spans;  // by start, outer ones first
    bool done = false;
    std::size_t num_left_out = 0;
  };
  Snapshot now() const;

 private:
  const std::string id_, kind_, model_;
  const TimePoint start_;
  const std::int64_t start_unix_us_;
  mutable std::mutex mutex_;
  std::vector<TraceSpan> spans_;
  bool done_ = false;
  std::size_t num_left_out_ = 0;
};

// What a request carries; empty where it is not traced, and then every call is nothing. Copies
// belong to the same request, which is over at finish() or with the last of them.
class TraceHandle {
 public:
  TraceHandle() = default;
  explicit TraceHandle(std::shared_ptr<Trace> trace);

  explicit operator bool() const { return request_ != nullptr; }
  void span(std::string_view name, TimePoint start, TimePoint end,
            std::initializer_list<TraceNumber> numbers = {}) const;
  // Spans of this one lie within a span of the other.
  TraceHandle inside() const;
  void finish() const;
  std::string_view id() const;

 private:
  struct Request;
  std::shared_ptr<Request> request_;
  int depth_ = 1;
};

// The last traces. Who is traced: one request in `every`, and those that ask.
class TraceLog {
 public:
  struct Options {
    std::size_t capacity = 128;
    std::int64_t every = 0;  // 0: only those that ask
  };
  explicit TraceLog(Options options);
  TraceLog() : TraceLog(Options{}) {}

  // `traceparent`: the W3C header, or empty. Its trace id is taken, and its sampled flag asks, as
  // `asked` does. One that is malformed is ignored, as the recommendation says.
  TraceHandle begin(std::string_view kind, std::string_view model, TimePoint start, bool asked,
                    std::string_view traceparent = {});
  // The newest first.
  std::vector<std::shared_ptr<const Trace>> latest(std::size_t count) const;
  std::shared_ptr<const Trace> find(std::string_view id) const;  // null: none, or gone
  std::size_t capacity() const { return options_.capacity; }

 private:
  const Options options_;
  std::atomic<std::uint64_t> num_requests_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Trace>> ring_;
  std::size_t next_ = 0;
};

}  // namespace millrace
