#include "api/ui/process_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <string>

namespace millrace::api {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

std::int64_t available_bytes() {
  std::ifstream file("/proc/meminfo");
  for (std::string name; file >> name;) {
    std::int64_t kibibytes = 0;
    if (!(file >> kibibytes)) return 0;
    if (name == "MemAvailable:") return kibibytes * 1024;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

}  // namespace

ProcessUsage process_usage() {
  ProcessUsage usage;
  rusage used{};
  if (getrusage(RUSAGE_SELF, &used) == 0) {
    usage.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
  }
  const std::int64_t page = sysconf(_SC_PAGESIZE);
  std::int64_t total = 0, resident = 0;
  if (std::ifstream("/proc/self/statm") >> total >> resident) {
    usage.resident_bytes = resident * page;
  }
  usage.machine_bytes = sysconf(_SC_PHYS_PAGES) * page;
  usage.machine_available_bytes = available_bytes();
  usage.num_cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  return usage;
}

}  // namespace millrace::api
