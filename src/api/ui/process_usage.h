// What this process takes from the machine, read from the kernel.
#pragma once

#include <cstdint>

namespace millrace::api {

struct ProcessUsage {
  double cpu_seconds = 0;                    // user and system, all threads, since it started
  std::int64_t resident_bytes = 0;           // 0 where /proc is not there
  std::int64_t machine_bytes = 0;            // physical memory
  std::int64_t machine_available_bytes = 0;  // what could still be had without swapping
  int num_cpus = 0;                          // online
};

// A few system calls; any thread.
ProcessUsage process_usage();

}  // namespace millrace::api
