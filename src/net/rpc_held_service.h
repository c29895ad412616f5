// For tests: a service whose calls a test holds in its hands.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/rpc.h"

namespace millrace::net {

using namespace std::chrono_literals;

// Keeps its calls and what is told of them. Reads one message after the other unless told not to.
class HeldService final : public RpcService {
 public:
  struct Held final : RpcHandler {
    HeldService& service;
    std::shared_ptr<Rpc> rpc;
    std::vector<std::string> messages;
    std::string bad;
    bool ended = false, cancelled = false;

    Held(HeldService& of, std::shared_ptr<Rpc> wire) : service(of), rpc(std::move(wire)) {}
    void on_message(std::string message) override {
      if (service.echoes) return rpc->answer(std::move(message));
      service.change([&] { messages.push_back(std::move(message)); });
      if (service.reads) rpc->read();
    }
    void on_bad_message(int code, std::string why) override {
      service.change([&] { bad = why; });
      rpc->finish(code, std::move(why));
    }
    void on_end() override {
      service.change([&] { ended = true; });
    }
    void on_cancel() override {
      service.change([&] { cancelled = true; });
    }
  };

  bool reads = true, echoes = false;
  std::size_t max_bytes = std::size_t{64} << 20;

  std::size_t max_message_bytes(std::string_view) const override { return max_bytes; }
  std::shared_ptr<RpcHandler> begin(std::shared_ptr<Rpc> rpc) override {
    if (rpc->path() == "/none") {
      rpc->finish(kRpcUnimplemented, "there is none");
      return nullptr;
    }
    auto held = std::make_shared<Held>(*this, std::move(rpc));
    change([&] { calls.push_back(held); });
    if (reads) held->rpc->read();
    return held;
  }
  template <class Condition>
  bool wait(Condition holds) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 5s, holds);
  }
  // For within H2Client::run(), which must go on meanwhile.
  template <class Condition>
  bool holds(Condition condition) {
    std::lock_guard lock(mutex_);
    return condition();
  }
  std::shared_ptr<Held> call(std::size_t index) {
    EXPECT_TRUE(wait([&] { return calls.size() > index; }));
    std::lock_guard lock(mutex_);
    return calls.at(index);
  }
  template <class Change>
  void change(Change how) {
    std::lock_guard lock(mutex_);
    how();
    changed_.notify_all();
  }

  std::vector<std::shared_ptr<Held>> calls;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace millrace::net
