// The runtime's helper threads: one pool (TBB's) for all models of the process. Its threads have a
// priority of their own, whoever they work for; here it is said what they do for a load. Without
// TBB's headers in the build they do what they always do.
#pragma once

#include <memory>
#include <openvino/openvino.hpp>
#include <string>

#ifdef MILLRACE_HAS_TBB
#include <tbb/task_arena.h>
#endif

#include <utility>

namespace millrace::backends {

// None of them helps with what the calling thread itself computes in here.
template <typename Work>
auto without_helpers(Work&& work) {
#ifdef MILLRACE_HAS_TBB
  return tbb::task_arena(1).execute(std::forward<Work>(work));
#else
  return std::forward<Work>(work)();
#endif
}

// While it lives, a helper that works for the model compiled next with these settings, on this
// device, gives way when the thread that made this does (base/giving_way.h). Of a model with
// several streams that is so in one of them.
class HelpersGiveWay {
 public:
  HelpersGiveWay(ov::Core& core, const std::string& device, ov::AnyMap settings);
  ~HelpersGiveWay();
  HelpersGiveWay(const HelpersGiveWay&) = delete;
  HelpersGiveWay& operator=(const HelpersGiveWay&) = delete;

 private:
  class Observer;
  std::unique_ptr<Observer> observer_;
};

}  // namespace millrace::backends
