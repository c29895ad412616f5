#include "loadgen/load_run.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "loadgen/arrivals.h"

namespace millrace::loadgen {
namespace {

constexpr std::chrono::milliseconds kTick{20};
constexpr double kPauseAfterFailure = 0.1;
constexpr double kProgressSeconds = 0.1;
constexpr int kWarmupAtOnce = 8;
// Warm-up requests have indices of their own, so that they share no prompt with the measurement.
constexpr std::uint64_t kWarmupIndex = std::uint64_t{1} << 62;

double thread_cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// A timer that fires at a given moment, exact to microseconds where epoll counts milliseconds.
class Alarm final : public net::EventLoop::Watcher {
 public:
  explicit Alarm(std::function<void()> ring)
      : ring_(std::move(ring)),
        fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {}
  int fd() const { return fd_.get(); }
  void set(double seconds_from_now) {
    const auto nanos = static_cast<std::int64_t>(std::max(seconds_from_now, 1e-9) * 1e9);
    const itimerspec spec{
        .it_interval = {},
        .it_value = {.tv_sec = nanos / 1'000'000'000, .tv_nsec = nanos % 1'000'000'000}};
    ::timerfd_settime(fd_.get(), 0, &spec, nullptr);
  }
  void on_events(std::uint32_t) override {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(fd_.get(), &count, sizeof count);
    ring_();
  }

 private:
  std::function<void()> ring_;
  net::UniqueFd fd_;
};

class LoadRun {
 public:
  LoadRun(const Target& target, const PeerAddress& peer, const Workload& workload,
          const LoadShape& shape, const LoadHooks& hooks)
      : target_(target),
        workload_(workload),
        shape_(shape),
        hooks_(hooks),
        alarm_([this] { send_due(); }),
        client_(loop_, peer, shape.timeout_seconds,
                [this](RequestRecord&& record) { on_done(std::move(record)); }) {}

  Result<LoadLog> run() {
    if (Status opened = loop_.open(); !opened) return pass(opened);
    if (!loop_.add(alarm_.fd(), EPOLLIN, &alarm_))
      return fail(ErrorKind::unavailable, "no timer for the load");
    warmup_left_ = shape_.warmup_requests;
    if (warmup_left_ > 0) {
      const int at_once = open_loop() ? kWarmupAtOnce : std::max(shape_.users, 1);
      for (int i = std::min(warmup_left_, at_once); i > 0; --i) send_warmup();
    }
    loop_.want_ticks(true);
    loop_.post([this] { step(); });  // something to begin with
    loop_.run(kTick, [this] { tick(); }, [this] { step(); });
    client_.abandon_all();
    if (warmup_error_) return std::unexpected(*warmup_error_);
    return std::move(log_);
  }

 private:
  enum class Phase : std::uint8_t { warmup, measure, over };
  bool open_loop() const { return shape_.rate > 0; }

  void send(std::uint64_t index, int user, double scheduled) {
    const RequestPlan plan = workload_.request(index);
    client_.send(format_post(target_, workload_.path(), shape_.api_key, plan.body),
                 {.index = index,
                  .user = user,
                  .scheduled = scheduled,
                  .max_tokens = plan.max_tokens,
                  .planned_prompt_tokens = plan.prompt_tokens});
  }

  void send_warmup() {
    --warmup_left_;
    ++warmup_in_flight_;
    send(kWarmupIndex + static_cast<std::uint64_t>(warmup_left_), -1, 0);
  }

  void begin_measuring() {
    if (shape_.warmup_requests > 0 && num_warm_ == 0) {
      warmup_error_ = Error{.kind = ErrorKind::unavailable,
                            .message = "every warm-up request failed: " + warmup_failure_};
      return end_run(0);
    }
    phase_ = Phase::measure;
    client_.set_origin(Clock::now());
    cpu_begin_ = thread_cpu_seconds();
    tokens_begin_ = client_.num_tokens();
    if (open_loop()) {
      arrivals_.emplace(shape_.rate, shape_.burstiness, workload_.options().seed);
      next_due_ = arrivals_->next();
      return send_due();
    }
    for (int user = 0; user < shape_.users; ++user) ready_.push_back({0, user});
  }

  // Whether one more request, due at `at`, belongs to the measurement.
  bool wants_more(double at) const {
    if (shape_.max_requests > 0 && num_issued_ >= shape_.max_requests) return false;
    return shape_.duration_seconds <= 0 || at < shape_.duration_seconds;
  }

  void send_due() {
    if (phase_ != Phase::measure) return;
    while (wants_more(next_due_)) {
      const double left = next_due_ - client_.now();
      if (left > 0) return alarm_.set(left);
      send(static_cast<std::uint64_t>(num_issued_++), -1, next_due_);
      next_due_ = arrivals_->next();
    }
  }

  void send_ready() {
    std::vector<Ready> later, now;
    now.swap(ready_);
    const double at = client_.now();
    for (const Ready& ready : now) {
      if (!wants_more(std::max(at, ready.due))) continue;
      if (ready.due > at) {
        later.push_back(ready);
        continue;
      }
      send(static_cast<std::uint64_t>(num_issued_++), ready.user, client_.now());
    }
    ready_.insert(ready_.end(), later.begin(), later.end());
  }

  void on_done(RequestRecord&& record) {
    if (phase_ == Phase::over) return;
    if (phase_ == Phase::warmup) {
      --warmup_in_flight_;
      if (record.ok()) {
        ++num_warm_;
      } else if (warmup_failure_.empty()) {
        warmup_failure_ = fmt::format("{} {}", failure_name(record), record.error_text);
      }
      return;
    }
    if (!record.ok()) ++num_failed_;
    const double pause = record.ok() ? 0 : kPauseAfterFailure;
    if (record.user >= 0) ready_.push_back({client_.now() + pause, record.user});
    log_.records.push_back(std::move(record));
  }

  // After each batch of events: what became possible.
  void step() {
    if (phase_ == Phase::warmup) {
      const int at_once = open_loop() ? kWarmupAtOnce : std::max(shape_.users, 1);
      while (warmup_left_ > 0 && warmup_in_flight_ < at_once && num_warm_ > 0) send_warmup();
      if (warmup_in_flight_ > 0) return;
      begin_measuring();
    }
    if (phase_ != Phase::measure) return;
    if (!open_loop()) send_ready();
    const bool more = open_loop() ? wants_more(next_due_) : !ready_.empty();
    if (!more && client_.num_in_flight() == 0) {
      end_run(shape_.duration_seconds > 0 && shape_.max_requests == 0 ? shape_.duration_seconds
                                                                      : client_.now());
    }
  }

  void tick() {
    client_.sweep();
    if (hooks_.stop && hooks_.stop->load(std::memory_order_relaxed)) {
      log_.interrupted = true;
      return end_run(client_.now());
    }
    report_progress();
    step();
  }

  void report_progress() {
    const double at = client_.now();
    if (!hooks_.progress || (at >= last_progress_ && at - last_progress_ < kProgressSeconds))
      return;
    last_progress_ = at;
    hooks_.progress({.warming_up = phase_ == Phase::warmup,
                     .seconds = at,
                     .num_in_flight = client_.num_in_flight(),
                     .num_done = log_.records.size(),
                     .num_failed = num_failed_,
                     .num_tokens = client_.num_tokens() - tokens_begin_});
  }

  void end_run(double window) {
    if (phase_ == Phase::over) return;
    log_.window_seconds = window;
    log_.cpu_seconds = thread_cpu_seconds() - cpu_begin_;
    phase_ = Phase::over;
    loop_.stop();
  }

  struct Ready {
    double due;
    int user;
  };

  const Target& target_;
  const Workload& workload_;
  const LoadShape& shape_;
  const LoadHooks& hooks_;
  net::EventLoop loop_;
  Alarm alarm_;
  LoadClient client_;
  std::optional<Arrivals> arrivals_;
  std::vector<Ready> ready_;
  LoadLog log_;
  std::optional<Error> warmup_error_;
  std::string warmup_failure_;
  double next_due_ = 0, cpu_begin_ = 0, last_progress_ = 0;
  std::int64_t num_issued_ = 0;
  std::uint64_t num_failed_ = 0, tokens_begin_ = 0;
  int warmup_left_ = 0, warmup_in_flight_ = 0, num_warm_ = 0;
  Phase phase_ = Phase::warmup;
};

}  // namespace

std::string format_post(const Target& target, const char* path, const std::string& api_key,
                        const std::string& body) {
  std::string out = fmt::format(
      "POST {}{} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n"
      "Accept: text/event-stream\r\n{}{}{}Content-Length: {}\r\n\r\n",
      target.prefix, path, target.host_header(), api_key.empty() ? "" : "Authorization: Bearer ",
      api_key, api_key.empty() ? "" : "\r\n", body.size());
  return out += body;
}

Result<LoadLog> run_load(const Target& target, const PeerAddress& peer, const Workload& workload,
                         const LoadShape& shape, const LoadHooks& hooks) {
  return LoadRun(target, peer, workload, shape, hooks).run();
}

}  // namespace millrace::loadgen
