#include "base/cores.h"

#include <sched.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <fstream>
#include <string>

namespace millrace {
namespace {

// "0-3,8" names 0 as its first.
int first_of_cpu_list(const std::string& path, int otherwise) {
  std::ifstream file(path);
  int first = otherwise;
  return file >> first ? first : otherwise;
}

}  // namespace

std::vector<int> allowed_cores() {
  std::vector<int> cores;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cores;
  std::vector<int> seen_siblings;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(static_cast<std::size_t>(cpu), &set)) continue;
    const int sibling = first_of_cpu_list(
        "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list",
        cpu);
    if (std::ranges::find(seen_siblings, sibling) != seen_siblings.end()) continue;
    seen_siblings.push_back(sibling);
    cores.push_back(cpu);
  }
  return cores;
}

// The control group's, v2, then v1.
int cpu_quota() {
  double quota = 0, period = 0;
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  if (!(v2 >> quota >> period)) {  // "max 100000" fails at the first word
    std::ifstream v1_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    std::ifstream v1_period("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    if (!(v1_quota >> quota) || !(v1_period >> period)) return INT_MAX;
  }
  if (quota <= 0 || period <= 0 || quota / period > 4096) return INT_MAX;
  return std::max(1, static_cast<int>(std::ceil(quota / period)));
}

int usable_cores() {
  const int cores = static_cast<int>(allowed_cores().size());
  return std::max(1, std::min(cores, cpu_quota()));
}

}  // namespace millrace
