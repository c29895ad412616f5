// For tests: how much the heap grew. The test binary replaces operator new to count.
#pragma once

#include <cstddef>

namespace millrace::weights {

// Bytes held through operator new now, and the most since the last restart_allocation_peak().
std::size_t allocated_bytes();
std::size_t peak_allocated_bytes();
void restart_allocation_peak();

}  // namespace millrace::weights
