// WorkerPool: the threads that parse, template, tokenise and format. Tasks are short, never block
// on a socket or an engine, and may post further tasks. Thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace millrace {

class WorkerPool {
 public:
  // Threads are named "<name>-<i>".
  WorkerPool(const char* name, std::size_t num_threads);
  ~WorkerPool();  // runs what is queued, then joins
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void post(std::function<void()> task);
  std::size_t num_queued() const;
  // Waits until nothing is queued or running. For shutdown, once nothing new is posted from
  // outside.
  void wait_idle() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Names the calling thread (at most 15 characters are kept).
void name_this_thread(const char* name);

}  // namespace millrace
