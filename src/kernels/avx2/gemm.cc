// The columns of all parts are one list of tiles, cut into pieces that threads claim. A piece takes
// up to 64 rows of x at a time over its tiles, four to eight rows to a tile kernel (gemm_quant.h,
// gemm_plain.h).
#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/gemm_bytes.h"
#include "kernels/avx2/gemm_plain.h"
#include "kernels/avx2/gemm_quant.h"
#include "kernels/avx2/table.h"

namespace millrace::kernels::avx2 {
namespace {

constexpr int kRows = 8;       // of x, at once, at most
constexpr int kPlainRows = 6;  // likewise, of plain weights
constexpr int kRowBlock = 64;  // of x, kept in the second-level cache over a piece
constexpr int kMaxTiles = 4;   // side by side

bool is_gated(Epilogue epilogue) {
  return epilogue == Epilogue::silu_mul || epilogue == Epilogue::gelu_tanh_mul;
}

bool needs_rows16(const GemmArgs& args) {
  for (int p = 0; p < args.num_parts; ++p) {
    if (!format_of(args.parts[p].weight->kind).plain) return true;
  }
  return false;
}

// Up to this many rows 16-bit activations cost no time: the weights' way from memory does.
constexpr int kFreeRows = 2;

RowStore store_of(const ExecView& exec, const GemmArgs& args) {
  if (exec.precision == Precision::exact) return {args.k, RowValues::floats};
  bool bytes = exec.precision == Precision::fast && args.m > kFreeRows;
  for (int p = 0; p < args.num_parts; ++p) {
    bytes = bytes && can_use_bytes(args.parts[p].weight->kind);
  }
  return {args.k, bytes ? RowValues::bytes : RowValues::words};
}

struct Job {
  const GemmArgs& args;
  const uint8_t* scratch;  // prepared rows
  RowStore store;
};

// Rows of x for one tile kernel, of `left`. Quants in f32 keep their sums in registers up to four.
int rows_at_once(const Job& job, const PackedWeight& w, int left) {
  if (format_of(w.kind).plain) {  // the last ones in even parts: few sums do not hide their latency
    return left < 2 * kPlainRows && left > kPlainRows ? ceil_div(left, 2)
                                                      : smaller(kPlainRows, left);
  }
  return left >= kRows && job.store.kind != RowValues::floats ? kRows : smaller(4, left);
}

// The part of the next tile that `rows` of `all` rows ask for, `before` rows having asked already:
// so memory is busy while all of them compute. Few rows leave it no time to lose: there Intel's
// cores look ahead as well themselves, and AMD's must be asked for what lies much further on.
MILLRACE_INLINE Ahead share_of_next(const uint8_t* tile, size_t bytes, int before, int rows,
                                    int all) {
  constexpr size_t kFar = 16384;
  if (all <= 2) {
    const bool asks = before == 0 && __builtin_cpu_is("amd");
    return {tile + kFar, asks ? bytes : 0};
  }
  const auto share = [&](int count) {
    return bytes * static_cast<size_t>(count) / static_cast<size_t>(all) / 64 * 64;
  };
  return {tile + bytes + share(before), share(before + rows) - share(before)};
}

// Sums of `rows` rows from `row` on, of [first_row, last_row), with `tiles` tiles from `tile` on:
// sums[r * tiles + t].
struct RowRange {
  int first, last;
};
MILLRACE_INLINE void multiply(const Job& job, const PackedWeight& w, int tile, int tiles,
                              RowRange range, int row, int rows, __m256* sums) {
  const GemmArgs& args = job.args;
  const size_t bytes = tile_bytes(w.kind, w.k);
  const auto* data = static_cast<const uint8_t*>(w.data) + static_cast<size_t>(tile) * bytes;
  const Format format = format_of(w.kind);
  if (format.plain) {
    plain_tiles_for(w.kind, rows, tiles)(data, bytes, args.k,
                                         {args.x + row * args.x_stride, args.x_stride}, sums);
    return;
  }
  RowView views[kRows];
  for (int r = 0; r < rows; ++r) views[r] = job.store.row(job.scratch, row + r);
  const QuantTile multiply_tile =
      job.store.kind == RowValues::bytes
          ? byte_tile_for(w.kind, rows)
          : quant_tile_for(w.kind, job.store.kind == RowValues::floats, rows);
  const Ahead ahead = share_of_next(data, bytes, row - range.first, rows, range.last - range.first);
  multiply_tile(data, scales_bytes(format.scales, w.k), job.store.blocks, views, ahead, sums);
}

// Adds bias, applies the epilogue and stores one row of one tile.
MILLRACE_INLINE void finish(const GemmArgs& args, const GemmPart& part, int tile, int row,
                            __m256 sum) {
  const int column = tile * kTileRows;
  const int count = part.weight->n - column;
  if (part.bias != nullptr) sum = _mm256_add_ps(sum, load_first(part.bias + column, count));
  sum = activate(args.epilogue, sum);
  float* out = part.out + row * part.out_stride + column;
  if (args.accumulate) sum = _mm256_add_ps(sum, load_first(out, count));
  store_first(out, sum, count);
}

// Tiles side by side, of `left`. Few rows have few sums, so more tiles; but a pair of parts is two
// streams from memory already.
int tiles_at_once(bool plain, bool pair, int left, int rows) {
  if (!plain || left < 2) return 1;
  return left >= kMaxTiles && rows <= 2 && !pair ? kMaxTiles : 2;
}

void plain_range(const Job& job, const GemmPart& part, int begin, int end, int first_row,
                 int last_row) {
  const bool plain = format_of(part.weight->kind).plain;
  __m256 sums[kRows * kMaxTiles];
  for (int tile = begin, tiles = 1; tile < end; tile += tiles) {
    tiles = tiles_at_once(plain, false, end - tile, last_row - first_row);
    for (int row = first_row, rows = 0; row < last_row; row += rows) {
      rows = rows_at_once(job, *part.weight, last_row - row);
      multiply(job, *part.weight, tile, tiles, {first_row, last_row}, row, rows, sums);
      for (int r = 0; r < rows; ++r) {
        for (int t = 0; t < tiles; ++t) {
          finish(job.args, part, tile + t, row + r, sums[r * tiles + t]);
        }
      }
    }
  }
}

// Likewise of the pair of parts that an epilogue makes one of.
MILLRACE_INLINE void finish_gated(const GemmArgs& args, int tile, int row, __m256 g, __m256 u) {
  const GemmPart &gate = args.parts[0], &up = args.parts[1];
  const int column = tile * kTileRows, count = gate.weight->n - column;
  if (gate.bias != nullptr) g = _mm256_add_ps(g, load_first(gate.bias + column, count));
  if (up.bias != nullptr) u = _mm256_add_ps(u, load_first(up.bias + column, count));
  __m256 value = _mm256_mul_ps(activate(args.epilogue, g), u);
  float* out = gate.out + row * gate.out_stride + column;
  if (args.accumulate) value = _mm256_add_ps(value, load_first(out, count));
  store_first(out, value, count);
}

void gated_range(const Job& job, int begin, int end, int first_row, int last_row) {
  const PackedWeight& gate = *job.args.parts[0].weight;
  const PackedWeight& up = *job.args.parts[1].weight;
  const bool plain = format_of(gate.kind).plain && format_of(up.kind).plain;
  __m256 g[kRows * 2], u[kRows * 2];
  for (int tile = begin, tiles = 1; tile < end; tile += tiles) {
    tiles = tiles_at_once(plain, true, end - tile, last_row - first_row);
    for (int row = first_row, rows = 0; row < last_row; row += rows) {
      rows =
          smaller(rows_at_once(job, gate, last_row - row), rows_at_once(job, up, last_row - row));
      if (!plain && rows < kRows) rows = smaller(4, rows);  // one of them may be plain
      multiply(job, gate, tile, tiles, {first_row, last_row}, row, rows, g);
      multiply(job, up, tile, tiles, {first_row, last_row}, row, rows, u);
      for (int i = 0; i < rows * tiles; ++i) {
        finish_gated(job.args, tile + i % tiles, row + i / tiles, g[i], u[i]);
      }
    }
  }
}

// Tiles [begin, end) of the list of all parts' tiles.
void piece(const Job& job, int begin, int end) {
  const GemmArgs& args = job.args;
  const int block = needs_rows16(args) ? kRowBlock : kRowBlock / kPlainRows * kPlainRows;
  for (int row = 0; row < args.m; row += block) {
    const int last_row = smaller(args.m, row + block);
    if (is_gated(args.epilogue)) {
      gated_range(job, begin, end, row, last_row);
      continue;
    }
    int first = 0;  // of this part in the list
    for (int p = 0; p < args.num_parts; ++p) {
      const int tiles = ceil_div(args.parts[p].weight->n, kTileRows);
      const int from = larger(begin, first), to = smaller(end, first + tiles);
      if (from < to) plain_range(job, args.parts[p], from - first, to - first, row, last_row);
      first += tiles;
    }
  }
}

}  // namespace

std::size_t gemm_scratch(const ExecView& exec, const GemmArgs& args) {
  if (!needs_rows16(args)) return 0;
  return store_of(exec, args).row_bytes * static_cast<size_t>(args.m);
}

void gemm(const ExecView& exec, const GemmArgs& args) {
  const Job job = {.args = args,
                   .scratch = static_cast<const uint8_t*>(exec.scratch),
                   .store = store_of(exec, args)};
  if (needs_rows16(args)) {
    parallel_ranges(exec, args.m, args.k, [&](int begin, int end) {
      for (int r = begin; r < end; ++r) {
        prepare_row(job.store, args.x + r * args.x_stride, args.k,
                    static_cast<uint8_t*>(exec.scratch), r);
      }
    });
  }
  int tiles = 0;
  const int num_lists = is_gated(args.epilogue) ? 1 : args.num_parts;
  for (int p = 0; p < num_lists; ++p) tiles += ceil_div(args.parts[p].weight->n, kTileRows);
  const int64_t tile_cost = int64_t{kTileRows} * args.k * args.m;
  parallel_ranges(exec, tiles, tile_cost, [&](int begin, int end) { piece(job, begin, end); });
}

}  // namespace millrace::kernels::avx2
