#include "kernels/ceilings.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/peak_loops.h"
#include "tensor/buffer.h"

namespace millrace::kernels {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kBytesAThread = std::size_t{64} << 20;
constexpr std::size_t kMostBytes = std::size_t{2} << 30;
constexpr int kPiecesAThread = 8;

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

// Calls `pass` until the time is over, at least three times; the shortest.
template <class Pass>
double best_pass(double seconds, const Pass& pass) {
  const auto start = SteadyClock::now();
  double best = 1e30;
  for (int i = 0; i < 3 || seconds_since(start) < seconds; ++i) {
    const auto began = SteadyClock::now();
    pass();
    best = std::min(best, seconds_since(began));
  }
  return best;
}

std::size_t memory_to_read(int threads) {
  const long cache = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  const std::size_t past_cache = cache > 0 ? 4 * static_cast<std::size_t>(cache) : 0;
  return std::min(kMostBytes,
                  std::max(kBytesAThread * static_cast<std::size_t>(threads), past_cache));
}

struct ReadJob {
  const std::byte* data;
  std::size_t piece_bytes;
  std::size_t ahead;    // bytes further on that are asked for, or 0
  std::uint64_t* sums;  // one a piece
};

// 16-byte words by XOR: fewer instructions than a cache line takes to arrive.
void read_piece(void* context, int index, int) {
  using Word = std::uint64_t __attribute__((vector_size(16)));
  const auto& job = *static_cast<ReadJob*>(context);
  const auto* words =
      reinterpret_cast<const Word*>(job.data + static_cast<std::size_t>(index) * job.piece_bytes);
  Word sums[4] = {};
  for (std::size_t i = 0; i < job.piece_bytes / sizeof(Word); i += 4) {
    if (job.ahead != 0) __builtin_prefetch(words + i + job.ahead / sizeof(Word));
    for (std::size_t v = 0; v < 4; ++v) sums[v] ^= words[i + v];
  }
  const Word all = sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
  job.sums[index] = all[0] ^ all[1];
}

// In passes of about a millisecond, so short that some escape a busy neighbour, over ever another
// part of the memory. Every other pass asks for memory early: some machines then deliver a fifth
// more, others less.
double read_bandwidth(const ExecView& view, double seconds) {
  constexpr std::size_t kPieceBytes = std::size_t{1} << 19, kAhead = 1024;
  const auto pieces = static_cast<std::size_t>(view.num_threads * kPiecesAThread);
  const std::size_t pass_bytes = pieces * kPieceBytes;
  Buffer memory((memory_to_read(view.num_threads) / pass_bytes + 1) * pass_bytes);
  std::memset(memory.data(), 1, memory.size());  // untouched pages would all be one
  std::vector<std::uint64_t> sums(pieces);
  std::size_t at = 0, ahead = 0;
  const double best = best_pass(seconds, [&] {
    ReadJob job{memory.data() + at, kPieceBytes, ahead, sums.data()};
    at = (at + pass_bytes) % memory.size();
    ahead = kAhead - ahead;
    view.parallel(view.pool, static_cast<int>(pieces), &read_piece, &job);
  });
  return static_cast<double>(pass_bytes) / best;
}

struct LoopJob {
  double (*loop)(long rounds);
  long rounds;
  double* best;  // operations a second, one a thread
};

void run_piece(void* context, int, int thread) {
  const auto& job = *static_cast<LoopJob*>(context);
  const auto start = SteadyClock::now();
  const double operations = job.loop(job.rounds);
  job.best[thread] = std::max(job.best[thread], operations / seconds_since(start));
}

// The sum of each thread's best piece: pieces are so short that some escape a busy neighbour.
double operations_per_second(const ExecView& view, double (*loop)(long), double seconds) {
  if (!loop) return 0;
  constexpr long kProbe = 20'000;
  const double probe = best_pass(0, [&] { loop(kProbe); });
  // A piece of about half a millisecond: long beside the cost of handing it out.
  const long rounds = std::max(1L, static_cast<long>(kProbe * 5e-4 / std::max(probe, 1e-9)));
  const int pieces = view.num_threads * kPiecesAThread;
  std::vector<double> best(static_cast<std::size_t>(view.num_threads));
  LoopJob job{loop, rounds, best.data()};
  best_pass(seconds, [&] { view.parallel(view.pool, pieces, &run_piece, &job); });
  double sum = 0;
  for (const double rate : best) sum += rate;
  return sum;
}

}  // namespace

Ceilings measure_ceilings(Ops& ops, double seconds) {
  const ExecView& view = ops.exec.view(0);
  const PeakLoops loops = peak_loops(ops.table.name);
  const double each = seconds / 4;
  return {.read_bytes_per_second = read_bandwidth(view, each),
          .f32_flops = operations_per_second(view, loops.f32, each),
          .bf16_flops = operations_per_second(view, loops.bf16, each),
          .int8_ops = operations_per_second(view, loops.int8, each)};
}

}  // namespace millrace::kernels
