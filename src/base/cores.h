// The cores that this process may use, asked of the system at each call. Thread-safe.
#pragma once

#include <vector>

namespace millrace {

// One logical CPU of each physical core in the calling thread's affinity mask.
std::vector<int> allowed_cores();
// CPUs' worth of time that the control group allows, or INT_MAX.
int cpu_quota();
// As many as both allow, at least one.
int usable_cores();

}  // namespace millrace
