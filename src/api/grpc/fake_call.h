// For tests: a call that keeps what its handler does with it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/grpc/call.h"

namespace millrace::api {

class FakeCall final : public Call {
 public:
  TimePoint until = kNever;
  std::stop_source source;

  TimePoint deadline() const override { return until; }
  std::stop_token stop() const override { return source.get_token(); }
  std::string metadata(const char*) const override { return {}; }
  void answer(std::string message) override {
    change([&] { sent.push_back(std::move(message)), over = true; });
  }
  void fail(const Error& failed) override {
    change([&] { error = failed, over = true; });
  }
  void send(std::string message) override {
    change([&] { sent.push_back(std::move(message)); });
  }
  void settle() override {
    change([&] { ++num_settled; });
  }
  void every_tick(std::function<void()> function) override { look = std::move(function); }

  template <class Condition>
  bool wait(Condition holds) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(5), [&] { return holds(*this); });
  }
  bool wait_over() {
    return wait([](const FakeCall& call) { return call.over; });
  }

  std::vector<std::string> sent;
  std::optional<Error> error;
  bool over = false;
  int num_settled = 0;
  std::function<void()> look;

 private:
  template <class Change>
  void change(Change how) {
    std::lock_guard lock(mutex_);
    how();
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace millrace::api
