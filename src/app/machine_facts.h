// What the operating system says about this machine. Reads /proc, /sys, limits and sockets; changes
// nothing. Absent files are empty answers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::app {

struct CpuFacts {
  std::string model;                  // "AMD EPYC …"
  std::vector<std::string> features;  // of those that kernels ask for: "avx2", "amx_bf16" …
  int num_logical = 0;
};
CpuFacts cpu_facts(const std::string& cpuinfo);  // the text of /proc/cpuinfo
CpuFacts this_cpu();

struct MemoryFacts {
  std::int64_t total = 0, available = 0, swap_used = 0;  // bytes, as the machine says
  std::int64_t cgroup_limit = 0;                         // 0: none
  std::int64_t huge_pages_free = 0;                      // reserved ones
  std::string transparent_huge_pages{};                  // "always", "madvise", "never"
};
MemoryFacts this_memory();

struct GpuFacts {
  std::string name;
  std::int64_t memory = 0;  // bytes; 0: unknown
};
struct GpuReport {
  std::vector<GpuFacts> gpus;
  bool has_device_files = false;  // /dev/nvidia*
  std::string driver{};           // CUDA version that libcuda speaks: "12.4"; empty: no libcuda
  std::string problem{};          // libcuda is there and does not start
};
GpuReport this_gpus();

// A listener could be opened there on loopback now.
bool is_port_free(int port);

struct FileLimits {
  std::int64_t soft = 0, hard = 0;
};
FileLimits open_file_limits();

}  // namespace millrace::app
