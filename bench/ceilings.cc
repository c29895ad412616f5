// What this machine can do at most, for 1 thread and for all: memory read bandwidth, f32 FMA, and
// where it has them bf16 and int8 dot products of AVX-512 and AMX. Prints one JSON line. Run it in
// the same minute as a benchmark: shared machines differ from hour to hour. build: g++ -O3
// -march=native -pthread ceilings.cc -o ceilings
#include <immintrin.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr size_t kBytes = size_t{256}
                          << 20;  // a thread: past every cache that a tenant can count on
constexpr int kRepeats = 15;      // short and many: neighbours only ever slow one down

// Best wall time of `work(thread)` on `threads` threads.
template <class Work>
double best_seconds(int threads, Work work) {
  double best = 1e9;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> pool;
    for (int t = 0; t < threads; ++t) pool.emplace_back(work, t);
    for (auto& thread : pool) thread.join();
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

// All of it by XOR, asking `ahead` bytes further on for every line where that is not 0.
template <size_t ahead>
void read_all(const char* memory) {
  __m256i sum[4] = {};
  for (size_t i = 0; i < kBytes; i += 128) {
    if constexpr (ahead != 0) {
      _mm_prefetch(memory + i + ahead, _MM_HINT_T0);
      _mm_prefetch(memory + i + ahead + 64, _MM_HINT_T0);
    }
    for (size_t v = 0; v < 4; ++v) {
      const auto* at = reinterpret_cast<const __m256i*>(memory + i + 32 * v);
      sum[v] = _mm256_xor_si256(sum[v], _mm256_load_si256(at));
    }
  }
  const __m256i all =
      _mm256_xor_si256(_mm256_xor_si256(sum[0], sum[1]), _mm256_xor_si256(sum[2], sum[3]));
  volatile long long keep = _mm256_extract_epi64(all, 0);
  (void)keep;
}

// The better of two ways: some machines deliver a fifth more where memory is asked for early,
// others less.
double read_gb_per_s(int threads) {
  std::vector<char*> memory;
  for (int t = 0; t < threads; ++t) {
    memory.push_back(static_cast<char*>(std::aligned_alloc(1 << 21, kBytes)));
    std::memset(memory.back(), 1, kBytes);
  }
  const double plain =
      best_seconds(threads, [&](int t) { read_all<0>(memory[static_cast<size_t>(t)]); });
  const double early =
      best_seconds(threads, [&](int t) { read_all<1024>(memory[static_cast<size_t>(t)]); });
  for (char* p : memory) std::free(p);
  return static_cast<double>(threads) * kBytes / std::min(plain, early) / 1e9;
}

// Tera-operations a second of one instruction that does `operations`, in ten chains that wait for
// nothing but themselves.
template <class Vector, class Step>
double chains_tera(int threads, double operations, Vector start, Step step) {
  constexpr long kRounds = 2'000'000;
  constexpr int kChains = 10;
  const double seconds = best_seconds(threads, [&](int) {
    Vector sum[kChains];  // in registers, as every loop over it is unrolled
#pragma GCC unroll 10
    for (auto& s : sum) s = start;
    for (long i = 0; i < kRounds; ++i) {
#pragma GCC unroll 10
      for (auto& s : sum) {
        s = step(s);
        asm volatile("" : "+v"(s));
      }
    }
  });
  return threads * operations * kChains * kRounds / seconds / 1e12;
}

#if defined(__AVX512F__)
double fma_tflops(int threads) {
  const __m512 x = _mm512_set1_ps(1e-9f);
  return chains_tera(threads, 32, x, [x](__m512 s) { return _mm512_fmadd_ps(s, x, x); });
}
#elif defined(__FMA__)
double fma_tflops(int threads) {
  const __m256 x = _mm256_set1_ps(1e-9f);
  return chains_tera(threads, 16, x, [x](__m256 s) { return _mm256_fmadd_ps(s, x, x); });
}
#endif
#ifdef __AVX512BF16__
double dot_bf16_tflops(int threads) {
  const __m512bh x = (__m512bh)_mm512_set1_epi16(0x3080);  // 2^-30, as bf16
  return chains_tera(threads, 64, _mm512_setzero_ps(),
                     [x](__m512 s) { return _mm512_dpbf16_ps(s, x, x); });
}
#endif
#ifdef __AVX512VNNI__
double dot_int8_tops(int threads) {
  const __m512i x = _mm512_set1_epi8(1);
  return chains_tera(threads, 128, _mm512_setzero_si512(),
                     [x](__m512i s) { return _mm512_dpbusd_epi32(s, x, x); });
}
#endif

#ifdef __AMX_INT8__
struct alignas(64) TileConfig {
  unsigned char palette = 1, start_row = 0, reserved[14] = {};
  unsigned short columns[16] = {};
  unsigned char rows[16] = {};
};

double amx_tera(int threads, bool int8) {
  constexpr long kRounds = 500'000;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  syscall(SYS_arch_prctl, kRequestPermission, kTileData);
  const double seconds = best_seconds(threads, [&](int) {
    TileConfig config;
    for (int i = 0; i < 8; ++i) {
      config.columns[i] = 64;
      config.rows[i] = 16;
    }
    asm volatile("ldtilecfg %0" ::"m"(config));
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (long i = 0; int8 && i < kRounds; ++i) {
      _tile_dpbssd(0, 4, 6);
      _tile_dpbssd(1, 4, 7);
      _tile_dpbssd(2, 5, 6);
      _tile_dpbssd(3, 5, 7);
    }
    for (long i = 0; !int8 && i < kRounds; ++i) {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
  });
  return threads * 4.0 * kRounds * (int8 ? 32768 : 16384) / seconds / 1e12;
}
#endif

}  // namespace

int main() {
  cpu_set_t allowed;  // as taskset may have narrowed it
  sched_getaffinity(0, sizeof allowed, &allowed);
  const int all = CPU_COUNT(&allowed);
  std::printf("{\"threads\": [1, %d], \"read_gb_s\": [%.1f, %.1f]", all, read_gb_per_s(1),
              read_gb_per_s(all));
#ifdef __FMA__
  std::printf(", \"f32_fma_tflops\": [%.3f, %.3f]", fma_tflops(1), fma_tflops(all));
#endif
#ifdef __AVX512BF16__
  std::printf(", \"dot_bf16_tflops\": [%.3f, %.3f]", dot_bf16_tflops(1), dot_bf16_tflops(all));
#endif
#ifdef __AVX512VNNI__
  std::printf(", \"dot_int8_tops\": [%.3f, %.3f]", dot_int8_tops(1), dot_int8_tops(all));
#endif
#ifdef __AMX_INT8__
  std::printf(", \"amx_int8_tops\": [%.2f, %.2f], \"amx_bf16_tflops\": [%.2f, %.2f]",
              amx_tera(1, true), amx_tera(all, true), amx_tera(1, false), amx_tera(all, false));
#endif
  std::puts("}");
}
