#include "weights/allocation_meter.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace {

std::atomic<std::size_t> held{0};
std::atomic<std::size_t> peak{0};

void* counted(std::size_t size) {
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (!memory) throw std::bad_alloc();
  const std::size_t now = held.fetch_add(malloc_usable_size(memory)) + malloc_usable_size(memory);
  std::size_t seen = peak.load();
  while (now > seen && !peak.compare_exchange_weak(seen, now)) {
  }
  return memory;
}

void uncounted(void* memory) {
  if (!memory) return;
  held.fetch_sub(malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) {
  return counted(size);
}
void* operator new[](std::size_t size) {
  return counted(size);
}
void operator delete(void* memory) noexcept {
  uncounted(memory);
}
void operator delete[](void* memory) noexcept {
  uncounted(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  uncounted(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  uncounted(memory);
}

namespace millrace::weights {

std::size_t allocated_bytes() {
  return held.load();
}
std::size_t peak_allocated_bytes() {
  return peak.load();
}
void restart_allocation_peak() {
  peak.store(held.load());
}

TEST(AllocationMeter, SeesWhatIsHeldAndWhatWasHeld) {
  const std::size_t before = allocated_bytes();
  restart_allocation_peak();
  {
    const std::vector<char> memory(1 << 20, 'x');
    EXPECT_GE(allocated_bytes(), before + (1 << 20));
  }
  EXPECT_LT(allocated_bytes(), before + (1 << 20));
  EXPECT_GE(peak_allocated_bytes(), before + (1 << 20));
}

}  // namespace millrace::weights
