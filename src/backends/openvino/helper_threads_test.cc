#include "backends/openvino/helper_threads.h"

#include <gtest/gtest.h>

#ifdef MILLRACE_HAS_TBB
#include <tbb/parallel_for.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace millrace::backends {
namespace {

TEST(HelperThreads, DoNotHelpTheThreadThatLoads) {
  std::atomic<int> num_helped = 0;
  const std::thread::id here = std::this_thread::get_id();
  const int answer = without_helpers([&] {
    tbb::parallel_for(0, 64, [&](int) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (std::this_thread::get_id() != here) ++num_helped;
    });
    return 42;
  });
  EXPECT_EQ(answer, 42);
  EXPECT_EQ(num_helped, 0);
}

}  // namespace
}  // namespace millrace::backends
#endif
