// Many rows: bf16 tiles, two by two.
//
//   x, once a call:     A as bf16 [rows][k], shared by all parts and threads
//   threads:            pairs of panels (gated: panel j of gate and of up are a pair)
//     for each run of k (kRunTiles at most): the pair's B tiles are widened into 36 KiB of L1,
//       for 32 rows of x: C[2][2] += A[2][run]·B[run][2] in tiles, kept in L2 between runs; the
//       last run's epilogue goes on while the next 32 rows are multiplied
//
// Threads have blocks of rows of their own, read and written where they lie; a thread that is done
// helps with the other blocks. Each then widens all weights, which is much for a gated product (the
// widest of a layer) and few rows: there they share the pairs of one block, unless it is too large
// for L2.
//
// Where A stays in L2 (is resident) a pair takes all runs of k before the next pair begins. Where
// it does not, all pairs of a piece take a run before the next run begins, so that A is read once
// a piece; up to kMostPairs sums then lie in L2.
//
// B must lie in L1 and A in L2: with both in L2 the tile loads halve the speed. A is therefore
// loaded with the hint that keeps it from displacing B (tileloaddt1). What else was tried:
// docs/decisions/0011-feeding-tiles-and-memory.md.
#include "kernels/amx/ahead.h"
#include "kernels/amx/finish.h"
#include "kernels/amx/gemm.h"
#include "kernels/amx/pairs.h"
#include "kernels/amx/rows.h"
#include "kernels/amx/tile.h"
#include "kernels/avx512/epilogue.h"
#include "kernels/parallel.h"

namespace millrace::kernels {
namespace {

constexpr int kRunTiles = 18;  // bf16 tiles of 32 k: even, for widening goes by 64 k
constexpr int kMostPairs = 16;
constexpr int kMostRows = 512;
constexpr size_t kTile = 1024;
constexpr size_t kBlock32 = 4 * kTile;  // sums of 32 rows of a pair: [2 panels][32][16] f32
constexpr size_t kRunBytes = 2 * kRunTiles * kTile;
constexpr size_t kResidentBytes = 1200 << 10;  // of A: what stays in L2 beside all else

constexpr int kFewestRows = 128;  // of a thread that has rows of its own

struct Shape {
  int rows, at_once;  // rows a block, and blocks that are multiplied at once
  int threads;        // a block, when all are there
  int k_tiles;        // of 32
  bool resident;      // whether A of a block stays in L2
  size_t a_stride;    // bytes between rows of bf16 x
  size_t a_bytes;     // of x in one order, all blocks at once
  size_t c_bytes;     // of a pair's sums between runs: [rows/32][2 panels][32][16] f32
  size_t queue_bytes;
  size_t thread_bytes;
};

// What is left of a block's work.
struct BlockQueue {
  PairQueue pairs;  // A is resident
  int piece = 0;    // else: the next one
};

Shape shape_of(const ExecView& exec, const GemmArgs& args) {
  Shape shape;
  shape.k_tiles = static_cast<int>(padded_k(args.k)) / 32;
  shape.a_stride = operand_stride(args.k);
  const auto stays = [&](int rows) {
    return round_up(static_cast<size_t>(rows), size_t{32}) * shape.a_stride <= kResidentBytes;
  };
  const auto smaller = [](int a, int b) { return a < b ? a : b; };
  shape.rows = smaller(args.m, kMostRows);
  shape.at_once = 1;
  const int share = round_up((args.m + exec.num_threads - 1) / exec.num_threads, 32);
  if (exec.num_threads > 1 && share >= kFewestRows &&
      (!is_gated(args.epilogue) || !stays(shape.rows))) {
    shape.rows = smaller(share, kMostRows);
    shape.at_once = exec.num_threads;
  }
  shape.threads = exec.num_threads / shape.at_once;
  if (!stays(shape.rows) && stays(kMostRows / 2)) shape.rows = smaller(shape.rows, kMostRows / 2);
  shape.resident = stays(shape.rows);
  shape.a_bytes = activation_bytes(smaller(args.m, shape.rows * shape.at_once), args.k);
  shape.c_bytes = round_up(static_cast<size_t>(shape.rows), size_t{32}) * 128;
  shape.queue_bytes = round_up(static_cast<size_t>(shape.at_once) * sizeof(BlockQueue), size_t{64});
  shape.thread_bytes = kRunBytes + 2 * kBlock32 + (shape.resident ? 1 : kMostPairs) * shape.c_bytes;
  return shape;
}

// to[2][2] = A·B over `count` tiles of k, unless it is the first run plus from[2][2]: blocks of
// [2 panels][32 rows][16].
template <bool first, bool both_rows, bool both_panels>
void multiply_block(const uint8_t* a, size_t a_stride, const uint8_t* b0, const uint8_t* b1,
                    int count, const uint8_t* from, uint8_t* to, Ahead& ahead, Finisher& finisher) {
  if constexpr (first) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, from, 64);
    if (both_panels) _tile_loadd(1, from + 2 * kTile, 64);
    if (both_rows) _tile_loadd(2, from + kTile, 64);
    if (both_rows && both_panels) _tile_loadd(3, from + 3 * kTile, 64);
  }
  for (int t = 0; t < count; ++t) {
    _tile_stream_loadd(4, a, a_stride);
    _tile_loadd(6, b0, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (both_panels) {
      _tile_loadd(7, b1, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    if (both_rows) {
      _tile_stream_loadd(5, a + 16 * a_stride, a_stride);
      _tile_dpbf16ps(2, 5, 6);
      if (both_panels) _tile_dpbf16ps(3, 5, 7);
    }
    ahead.issue();
    finisher.step();
    a += 64;
    b0 += kTile;
    b1 += kTile;
  }
  _tile_stored(0, to, 64);
  if (both_panels) _tile_stored(1, to + 2 * kTile, 64);
  if (both_rows) _tile_stored(2, to + kTile, 64);
  if (both_rows && both_panels) _tile_stored(3, to + 3 * kTile, 64);
}

using BlockFn = void (*)(const uint8_t*, size_t, const uint8_t*, const uint8_t*, int,
                         const uint8_t*, uint8_t*, Ahead&, Finisher&);

template <bool first>
BlockFn block_fn(bool both_rows, bool both_panels) {
  if (both_panels) {
    return both_rows ? multiply_block<first, true, true> : multiply_block<first, false, true>;
  }
  return both_rows ? multiply_block<first, true, false> : multiply_block<first, false, false>;
}

// Tiles [first, first + count) of 32 k of a panel; bf16 weights are used where they lie.
const uint8_t* widened(const PackedWeight& weight, int panel, int first, int count, uint8_t* to) {
  return with_kind(weight.kind, [&]<DType kind>() -> const uint8_t* {
    const uint8_t* from = panel_at<kind>(weight, panel);
    if constexpr (kind == DType::bf16) {
      return from + static_cast<size_t>(first) * kTile;
    } else {
      for (int t = 0; t < count; t += 2) {
        widen_tile<kind>(from, weight.k, (first + t) / 2, to + static_cast<size_t>(t) * kTile);
      }
      return to;
    }
  });
}

// One call on a block of rows.
struct Product {
  const GemmArgs& args;
  const Shape& shape;
  Activations activations;
  PairList pairs;
  int row_pairs, num_runs;

  int run_begin(int run) const { return shape.k_tiles / 2 * run / num_runs * 2; }
  int run_tiles(int run) const { return run_begin(run + 1) - run_begin(run); }
  const uint8_t* rows_for(const Pair& pair) const {
    return activations.rows_for(args.parts[pair.part[0]].weight->kind);
  }
};

// A pair's share of a run of k. pair < 0: none.
struct Step {
  int pair, run;
};

// One thread's memory and what it goes on with between pairs.
struct Worker {
  const Product& product;
  uint8_t* b;     // [2][kRunTiles] tiles
  uint8_t* done;  // [2 in turns] blocks whose sums are whole
  uint8_t* sums;  // [1 or kMostPairs] pairs between runs
  int turn = 0;
  Finisher finisher;

  Worker(const Product& of, uint8_t* own)
      : product(of), b(own), done(b + kRunBytes), sums(done + 2 * kBlock32) {}
  void multiply(const Step& step, Ahead ahead, int place);
};

void add_step(const Product& product, const Step& step, Ahead& ahead) {
  if (step.pair < 0) return;
  const Pair pair = product.pairs.at(step.pair);
  for (int i = 0; i < (pair.both ? 2 : 1); ++i) {
    add_weights(*product.args.parts[pair.part[i]].weight, pair.panel[i],
                product.run_begin(step.run), product.run_tiles(step.run), ahead);
  }
}

// place: where the pair's sums are kept between runs. The last run's go to the finisher, which
// works while the next 32 rows are multiplied.
void Worker::multiply(const Step& step, Ahead ahead, int place) {
  const GemmArgs& args = product.args;
  const Shape& shape = product.shape;
  const Pair pair = product.pairs.at(step.pair);
  const bool last_run = step.run + 1 == product.num_runs;
  const int first = product.run_begin(step.run), count = product.run_tiles(step.run);
  ahead.spread(count * product.row_pairs);
  const uint8_t* b0 = widened(*args.parts[pair.part[0]].weight, pair.panel[0], first, count, b);
  const uint8_t* b1 = b0;
  if (pair.both) {
    b1 = widened(*args.parts[pair.part[1]].weight, pair.panel[1], first, count,
                 b + kRunTiles * kTile);
  }
  const uint8_t* a = product.rows_for(pair) + static_cast<size_t>(first) * 64;
  uint8_t* kept = sums + static_cast<size_t>(place) * shape.c_bytes;
  for (int rp = 0; rp < product.row_pairs; ++rp, kept += kBlock32, a += 32 * shape.a_stride) {
    const bool both_rows = args.m - rp * 32 > 16;
    const BlockFn block = step.run == 0 ? block_fn<true>(both_rows, pair.both)
                                        : block_fn<false>(both_rows, pair.both);
    uint8_t* const to = last_run ? done + static_cast<size_t>(turn) * kBlock32 : kept;
    block(a, shape.a_stride, b0, b1, count, kept, to, ahead, finisher);
    if (!last_run) continue;
    finisher.rest();
    if (rp == 0) finisher.begin(args, pair, product.pairs.gated);
    finisher.start(reinterpret_cast<const float*>(to), count);
    turn = 1 - turn;
  }
}

// A stays in L2: a pair takes all runs of k before the next pair begins.
void multiply_resident(Worker& worker, PairQueue& queue) {
  const Product& product = worker.product;
  PairQueue::Taker taker{queue};
  for (int pair = taker.take(), next = -1; pair >= 0; pair = next) {
    next = taker.take();
    for (int run = 0; run < product.num_runs; ++run) {
      Ahead ahead;
      add_step(product, run + 1 < product.num_runs ? Step{pair, run + 1} : Step{next, 0}, ahead);
      worker.multiply({pair, run}, ahead, 0);
    }
  }
  worker.finisher.rest();
}

// A does not stay in L2: pairs [begin, end) take a run before the next run begins, so that A is
// read once. Each pair asks for a share of the activations of the next run.
void multiply_streamed(Worker& worker, int begin, int end) {
  const Product& product = worker.product;
  const auto stride = static_cast<int64_t>(product.shape.a_stride);
  const int rows = product.row_pairs * 32, num_pairs = end - begin;
  for (int run = 0; run < product.num_runs; ++run) {
    const bool last_run = run + 1 == product.num_runs;
    for (int pair = begin; pair < end; ++pair) {
      const int place = pair - begin;
      Ahead ahead;
      if (pair + 1 < end) {
        add_step(product, {pair + 1, run}, ahead);
      } else if (!last_run) {
        add_step(product, {begin, run + 1}, ahead);
      }
      if (!last_run) {
        const int from = rows * place / num_pairs, to = rows * (place + 1) / num_pairs;
        ahead.add(product.rows_for(product.pairs.at(pair)) + from * stride +
                      product.run_begin(run + 1) * 64,
                  stride, product.run_tiles(run + 1), to - from);
      }
      worker.multiply({pair, run}, ahead, place);
    }
  }
  worker.finisher.rest();
}

// Pairs that a thread takes at once: two gated ones fill the lines of an output.
constexpr int kAtOnce = 2;

// Pieces of pairs for threads that are all there: as many pairs as their sums allow.
int pairs_a_piece(const Product& product) {
  const int threads = product.shape.threads;
  int rounds = 1;
  const auto each = [&] {
    return (product.pairs.count + rounds * threads - 1) / (rounds * threads);
  };
  while (each() > kMostPairs) ++rounds;
  return each();
}

void skip_rows(Operand& operand, int rows, int width) {
  if (operand.form == 0) return;
  operand.data =
      static_cast<uint8_t*>(operand.data) + static_cast<size_t>(rows) * operand_stride(width);
}

// Rows [first, first + most) of a product and its operands.
GemmArgs rows_of(const GemmArgs& args, int first, int most) {
  GemmArgs rows = row_block(args, first, most);
  skip_rows(rows.x_operand, first, args.k);
  skip_rows(rows.out_operand, first, args.parts[0].weight->n);
  return rows;
}

// What is left of a block, with other threads.
void multiply_rows(const Product& product, BlockQueue& queue, uint8_t* own) {
  Worker worker(product, own);
  if (product.shape.resident) return multiply_resident(worker, queue.pairs);
  const int each = pairs_a_piece(product), count = product.pairs.count;
  for (;;) {
    const int begin = __atomic_fetch_add(&queue.piece, 1, __ATOMIC_RELAXED) * each;
    if (begin >= count) return;
    multiply_streamed(worker, begin, begin + each < count ? begin + each : count);
  }
}

// As many blocks of rows as are multiplied at once.
void multiply_blocks(const ExecView& exec, const GemmArgs& args, const Shape& shape) {
  auto* const shared = static_cast<uint8_t*>(exec.scratch);
  auto* const queues = reinterpret_cast<BlockQueue*>(shared + 2 * shape.a_bytes);
  uint8_t* const own = shared + 2 * shape.a_bytes + shape.queue_bytes;
  const Activations activations = activations_of(exec, args, shared, shape.a_bytes);
  const PairList pairs(args);
  const int blocks = (args.m + shape.rows - 1) / shape.rows;
  for (int i = 0; i < blocks; ++i) {
    queues[i] = {.pairs = {0, pairs.count, kAtOnce, shape.threads}};
  }
  parallel_for(exec, exec.num_threads, [&](int, int thread) {
    use_full_tiles();
    for (int i = 0; i < blocks; ++i) {
      const int block = (thread + i) % blocks, first = block * shape.rows;
      const GemmArgs rows = rows_of(args, first, shape.rows);
      const Product product = {.args = rows,
                               .shape = shape,
                               .activations = activations.from_row(first, shape.a_stride),
                               .pairs = pairs,
                               .row_pairs = (rows.m + 31) / 32,
                               .num_runs = (shape.k_tiles + kRunTiles - 1) / kRunTiles};
      multiply_rows(product, queues[block], own + static_cast<size_t>(thread) * shape.thread_bytes);
    }
    _tile_release();
    _mm_sfence();
  });
}

}  // namespace

namespace amx {

int tiles_form(const GemmArgs& args) {
  const Order order = order_of(args.parts[0].weight->kind);
  for (int p = 1; p < args.num_parts; ++p) {
    if (order_of(args.parts[p].weight->kind) != order) return 0;
  }
  // Whoever writes an operand need not fill up the last tile.
  return args.k % kTileK == 0 ? form_of(order) : 0;
}

size_t operand_bytes(int rows, int width) {
  return round_up(static_cast<size_t>(rows), size_t{32}) * operand_stride(width);
}

size_t tiles_scratch(const ExecView& exec, const GemmArgs& args) {
  const Shape shape = shape_of(exec, args);
  return 2 * shape.a_bytes + shape.queue_bytes +
         shape.thread_bytes * static_cast<size_t>(exec.num_threads);
}

void multiply_tiles(const ExecView& exec, const GemmArgs& args) {
  const Shape shape = shape_of(exec, args);
  const int rows = shape.rows * shape.at_once;
  for (int first = 0; first < args.m; first += rows) {
    multiply_blocks(exec, rows_of(args, first, rows), shape);
  }
}

}  // namespace amx
}  // namespace millrace::kernels
