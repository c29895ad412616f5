#include "kernels/select.h"

#include <string>

#include "kernels/tables.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace millrace::kernels {
namespace {

#if defined(__x86_64__)

// What CPUID says, where the operating system also saves the registers.
struct Machine {
  bool avx2 = false, avx512 = false, amx = false;
};

struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);  // zeros where unknown
  return r;
}

bool has(unsigned word, std::initializer_list<int> bits) {
  for (const int bit : bits) {
    if ((word >> bit & 1u) == 0) return false;
  }
  return true;
}

// The register sets that the operating system saves (XCR0).
unsigned saved_state() {
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

// Linux lends the 8 KiB of tile state a process only when asked.
bool ask_for_tiles() {
  constexpr long kArchReqXcompPerm = 0x1023;
  constexpr long kXfeatureXtileData = 18;
  return syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureXtileData) == 0;
}

Machine probe() {
  constexpr int kOsxsave = 27, kFma = 12, kF16c = 29;         // leaf 1 ecx
  constexpr int kAvx2 = 5;                                    // leaf 7 ebx
  constexpr int kF = 16, kDq = 17, kBw = 30, kVl = 31;        // leaf 7 ebx
  constexpr int kVnni = 11;                                   // leaf 7 ecx
  constexpr int kFp16 = 23;                                   // leaf 7 edx
  constexpr int kAmxBf16 = 22, kAmxTile = 24, kAmxInt8 = 25;  // leaf 7 edx
  constexpr int kBf16 = 5;                                    // leaf 7.1 eax
  Machine machine;
  const Registers one = cpuid(1, 0);
  if (!has(one.ecx, {kOsxsave, kFma, kF16c})) return machine;
  const unsigned saved = saved_state();
  const Registers seven = cpuid(7, 0);
  const Registers seven_one = cpuid(7, 1);
  machine.avx2 = has(saved, {1, 2}) && has(seven.ebx, {kAvx2});
  machine.avx512 = machine.avx2 && has(saved, {5, 6, 7}) && has(seven.ebx, {kF, kDq, kBw, kVl}) &&
                   has(seven.ecx, {kVnni});
  machine.amx = machine.avx512 && has(saved, {17, 18}) && has(seven_one.eax, {kBf16}) &&
                has(seven.edx, {kFp16, kAmxBf16, kAmxTile, kAmxInt8}) && ask_for_tiles();
  return machine;
}

#elif defined(__aarch64__)

// What the folder neon is compiled for: ARMv8.2-A with products of bytes and f16.
[[maybe_unused]] bool has_neon() {
  constexpr unsigned long kNeeded = HWCAP_ASIMD | HWCAP_ASIMDHP | HWCAP_FPHP | HWCAP_ASIMDDP;
  return (getauxval(AT_HWCAP) & kNeeded) == kNeeded;
}

#endif

std::vector<const Kernels*> probe_tables() {
  std::vector<const Kernels*> tables = {&reference_kernels()};
#if defined(__x86_64__)
  [[maybe_unused]] const Machine machine = probe();
#ifdef MILLRACE_KERNELS_AVX2
  if (machine.avx2) tables.push_back(&avx2_kernels());
#endif
#ifdef MILLRACE_KERNELS_AVX512
  if (machine.avx512) tables.push_back(&avx512_kernels());
#endif
#ifdef MILLRACE_KERNELS_AMX
  if (machine.amx) tables.push_back(&amx_kernels());
#endif
#elif defined(__aarch64__) && defined(MILLRACE_KERNELS_NEON)
  if (has_neon()) tables.push_back(&neon_kernels());
#endif
  return tables;
}

// Probed once: the answer, and the tiles that were asked for, hold for the process.
const std::vector<const Kernels*>& tables_here() {
  static const std::vector<const Kernels*> kTables = probe_tables();
  return kTables;
}

}  // namespace

std::vector<const Kernels*> runnable_kernels() {
  return tables_here();
}

Result<const Kernels*> select_kernels(std::string_view name) {
  if (name.empty() || name == "auto") return tables_here().back();
  std::string names = "auto";
  for (const Kernels* table : tables_here()) {
    if (name == table->name) return table;
    names.append(", ").append(table->name);
  }
  return invalid("cpu-isa '" + std::string(name) + "' cannot run here; this machine runs: " + names,
                 "cpu-isa");
}

}  // namespace millrace::kernels
