#include "api/ui/process_usage.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::api {
namespace {

TEST(ProcessUsage, IsOfThisProcess) {
  const ProcessUsage before = process_usage();
  EXPECT_GE(before.num_cpus, 1);
  EXPECT_GT(before.resident_bytes, 1 << 20);
  EXPECT_LT(before.resident_bytes, before.machine_bytes);
  EXPECT_GT(before.machine_available_bytes, 0);
  EXPECT_LE(before.machine_available_bytes, before.machine_bytes);
  constexpr std::size_t kTouched = std::size_t{64} << 20;
  std::vector<char> memory(kTouched, 'x');
  volatile char sink = 0;
  for (std::size_t i = 0; i < kTouched; ++i) sink = static_cast<char>(sink + memory[i]);
  const ProcessUsage after = process_usage();
  EXPECT_GT(after.cpu_seconds, before.cpu_seconds);
  EXPECT_GT(after.resident_bytes, before.resident_bytes + (std::int64_t{32} << 20));
}

}  // namespace
}  // namespace millrace::api
