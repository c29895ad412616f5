// Ticker: one thread that pokes the streams which have been silent for a while, so that sinks can
// send a sign of life. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace millrace::serving {

class TextStream;

class Ticker {
 public:
  // A stream is poked once `silence` has passed since its last delivery, at a resolution of a
  // fifteenth of it.
  explicit Ticker(std::chrono::milliseconds silence);
  ~Ticker();
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  void watch(std::weak_ptr<TextStream> stream);  // until it is gone
  std::vector<std::shared_ptr<TextStream>> alive();

 private:
  void run();
  void poke_silent();

  const std::chrono::milliseconds silence_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::weak_ptr<TextStream>> streams_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace millrace::serving
