#include "serving/ticker.h"

#include <utility>

#include "base/clock.h"
#include "base/worker_pool.h"
#include "serving/text_stream.h"

namespace millrace::serving {

Ticker::Ticker(std::chrono::milliseconds silence)
    : silence_(silence), thread_([this] {
        name_this_thread("ticker");
        run();
      }) {}

Ticker::~Ticker() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Ticker::watch(std::weak_ptr<TextStream> stream) {
  std::lock_guard lock(mutex_);
  streams_.push_back(std::move(stream));
}

void Ticker::run() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, silence_ / 15, [&] { return stopping_; })) {
    lock.unlock();
    poke_silent();
    lock.lock();
  }
}

std::vector<std::shared_ptr<TextStream>> Ticker::alive() {
  std::vector<std::shared_ptr<TextStream>> streams;
  std::lock_guard lock(mutex_);
  std::erase_if(streams_, [&](const auto& weak) {
    auto stream = weak.lock();
    const bool gone = !stream;
    if (stream) streams.push_back(std::move(stream));
    return gone;
  });
  return streams;
}

void Ticker::poke_silent() {
  const TimePoint now = Clock::now();
  // Let go outside the mutex: the last reference to a stream may end here.
  for (const auto& stream : alive()) {
    if (now - stream->last_activity() >= silence_) stream->poke();
  }
}

}  // namespace millrace::serving
