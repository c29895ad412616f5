#include "base/giving_way.h"

#include <dirent.h>
#include <sched.h>
#include <unistd.h>

#include <charconv>
#include <memory>
#include <string_view>

#include "base/worker_pool.h"

namespace millrace {
namespace {

constexpr int kThisThread = 0;

bool set_policy(int thread, int policy) {
  const sched_param none{};
  return sched_setscheduler(thread, policy, &none) == 0;
}

// True when there was one that gave way.
bool set_all_back() {
  struct Close {
    void operator()(DIR* folder) const { closedir(folder); }
  };
  const std::unique_ptr<DIR, Close> threads(opendir("/proc/self/task"));
  bool found = false;
  while (const dirent* entry = threads ? readdir(threads.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    int thread = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), thread);
    if (parsed.ec != std::errc() || sched_getscheduler(thread) != SCHED_IDLE) continue;
    found = set_policy(thread, SCHED_OTHER) || found;
  }
  return found;
}

}  // namespace

bool GivingWay::is_possible() {
  static const bool possible = [] {
    bool undone = false;
    std::thread([&] {
      undone = sched_getscheduler(kThisThread) == SCHED_OTHER &&
               set_policy(kThisThread, SCHED_IDLE) && set_policy(kThisThread, SCHED_OTHER);
    }).join();
    return undone;
  }();
  return possible;
}

GivingWay::GivingWay(std::chrono::milliseconds at_most, SetBack set_back)
    : set_back_(set_back), thread_(gettid()), still_(std::in_place) {
  timer_ = std::jthread([this, at_most](const std::stop_token& stop) {
    name_this_thread("giving-way");
    std::unique_lock lock(mutex_);
    ended_.wait_for(lock, stop, at_most, [] { return false; });
    end();
  });
  if (is_possible()) set_policy(kThisThread, SCHED_IDLE);
}

GivingWay::~GivingWay() {
  timer_.request_stop();
  timer_.join();
  end();  // where the time was over just when such a thread started another
}

void GivingWay::end() {
  still_.reset();
  if (!is_possible()) return;
  if (set_back_ == SetBack::itself) {
    set_policy(thread_, SCHED_OTHER);
    return;
  }
  // Again, because a thread that gave way may have started another meanwhile.
  while (set_all_back()) continue;
}

}  // namespace millrace
