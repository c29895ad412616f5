#include "weights/mapping_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <utility>

namespace millrace::weights {
namespace {

// end == 0: free; begin is written before end becomes visible and the slot is not reused until its
// owner has released it. The handler only reads atomics and makes one system call.
struct Slot {
  std::atomic<bool> taken{false};
  std::atomic<bool> torn{false};
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::uintptr_t> end{0};
};

std::array<Slot, MappingGuard::kMaxGuards> slots;
std::uintptr_t page_bytes = 4096;
struct sigaction previous_action;

static_assert(std::atomic<std::uintptr_t>::is_always_lock_free, "the handler must not lock");

Slot* slot_of(std::uintptr_t address) {
  for (auto& slot : slots) {
    const auto end = slot.end.load(std::memory_order_acquire);
    if (end != 0 && address < end && address >= slot.begin.load(std::memory_order_relaxed)) {
      return &slot;
    }
  }
  return nullptr;
}

// Somebody else's fault: their handler, or death by returning to the faulting instruction.
void hand_on(int signal, siginfo_t* info, void* context) {
  if (previous_action.sa_flags & SA_SIGINFO) {
    previous_action.sa_sigaction(signal, info, context);
  } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal);
  } else {
    ::signal(SIGBUS, SIG_DFL);
  }
}

// A page of zeros in place of the one that is gone. The bare call: the library's is no function for
// signal handlers, and a race detector would take it for a write that the page's readers do not
// expect.
bool put_zeros_at(std::uintptr_t address) {
  const std::uintptr_t page = address & ~(page_bytes - 1);
  return ::syscall(SYS_mmap, page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                   -1, 0) != -1;
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  Slot* slot = info->si_code > 0 ? slot_of(address) : nullptr;
  if (slot && put_zeros_at(address)) {
    slot->torn.store(true, std::memory_order_release);
  } else {
    hand_on(signal, info, context);
  }
  errno = saved_errno;
}

void install_handler() {
  page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action{};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, &previous_action);
}

}  // namespace

MappingGuard::MappingGuard(std::span<const std::byte> mapping) {
  if (mapping.empty()) return;
  static std::once_flag installed;
  std::call_once(installed, install_handler);
  for (int i = 0; i < kMaxGuards; ++i) {
    Slot& slot = slots[static_cast<std::size_t>(i)];
    if (slot.taken.exchange(true, std::memory_order_acquire)) continue;
    const auto begin = reinterpret_cast<std::uintptr_t>(mapping.data());
    slot.torn.store(false, std::memory_order_relaxed);
    slot.begin.store(begin, std::memory_order_relaxed);
    slot.end.store(begin + mapping.size(), std::memory_order_release);
    slot_ = i;
    return;
  }
}

MappingGuard::MappingGuard(MappingGuard&& other) noexcept : slot_(std::exchange(other.slot_, -1)) {}

MappingGuard& MappingGuard::operator=(MappingGuard&& other) noexcept {
  std::swap(slot_, other.slot_);
  return *this;
}

MappingGuard::~MappingGuard() {
  if (slot_ < 0) return;
  Slot& slot = slots[static_cast<std::size_t>(slot_)];
  slot.end.store(0, std::memory_order_release);
  slot.taken.store(false, std::memory_order_release);
}

bool MappingGuard::torn() const {
  return slot_ >= 0 && slots[static_cast<std::size_t>(slot_)].torn.load(std::memory_order_acquire);
}

}  // namespace millrace::weights
