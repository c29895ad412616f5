#include "base/worker_pool.h"

#include <pthread.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace millrace {

struct WorkerPool::State {
  mutable std::mutex mutex;
  std::condition_variable ready;
  std::deque<std::function<void()>> tasks;
  std::condition_variable idle;
  std::size_t num_running = 0;
  bool stopping = false;
  std::vector<std::thread> threads;

  void run() {
    for (;;) {
      std::unique_lock lock(mutex);
      ready.wait(lock, [&] { return stopping || !tasks.empty(); });
      if (tasks.empty()) return;
      std::function<void()> task = std::move(tasks.front());
      tasks.pop_front();
      ++num_running;
      lock.unlock();
      task();
      task = nullptr;  // what it captured may be in use by whoever waits for idleness
      lock.lock();
      if (--num_running == 0 && tasks.empty()) idle.notify_all();
    }
  }
};

WorkerPool::WorkerPool(const char* name, std::size_t num_threads)
    : state_(std::make_unique<State>()) {
  for (std::size_t i = 0; i < num_threads; ++i) {
    state_->threads.emplace_back(
        [state = state_.get(), label = std::string(name) + "-" + std::to_string(i)] {
          name_this_thread(label.c_str());
          state->run();
        });
  }
}

WorkerPool::~WorkerPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->ready.notify_all();
  for (auto& thread : state_->threads) thread.join();
}

void WorkerPool::post(std::function<void()> task) {
  // Locked to the end: once a worker has seen the task, whoever waited for it may end the pool.
  std::lock_guard lock(state_->mutex);
  state_->tasks.push_back(std::move(task));
  state_->ready.notify_one();
}

std::size_t WorkerPool::num_queued() const {
  std::lock_guard lock(state_->mutex);
  return state_->tasks.size();
}

void WorkerPool::wait_idle() const {
  std::unique_lock lock(state_->mutex);
  state_->idle.wait(lock, [&] { return state_->tasks.empty() && state_->num_running == 0; });
}

void name_this_thread(const char* name) {
  char buffer[16] = {};
  std::strncpy(buffer, name, sizeof(buffer) - 1);
  pthread_setname_np(pthread_self(), buffer);
}

}  // namespace millrace
