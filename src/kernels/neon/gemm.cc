// The columns of all parts are one list of tiles, cut into pieces that threads claim. A piece takes
// up to 64 rows of x at a time over its tiles, one to four or eight rows to a product (gemm.h).
#include "kernels/neon/gemm.h"

#include "kernels/neon/epilogue.h"
#include "kernels/neon/table.h"

namespace millrace::kernels::neon {
namespace {

constexpr int kRowBlock = 64;  // of x, kept in the second-level cache over a piece

bool is_gated(Epilogue epilogue) {
  return epilogue == Epilogue::silu_mul || epilogue == Epilogue::gelu_tanh_mul;
}

bool needs_records(const GemmArgs& args) {
  for (int p = 0; p < args.num_parts; ++p) {
    if (!is_plain(args.parts[p].weight->kind)) return true;
  }
  return false;
}

// Up to this many rows 16-bit activations cost little: the weights' way from memory does.
constexpr int kFreeRows = 2;

RowValues values_of(const ExecView& exec, const GemmArgs& args) {
  if (exec.precision == Precision::exact) return RowValues::floats;
  const bool bytes = exec.precision == Precision::fast && args.m > kFreeRows;
  return bytes ? RowValues::bytes : RowValues::planes;
}

struct Job {
  const GemmArgs& args;
  RowValues values;
  const uint8_t* records;
  size_t record_row_bytes;
};

MILLRACE_INLINE int rows_at_once(int left) {
  return left >= kMostRows ? kMostRows : smaller(4, left);
}

// How many tiles from `left` on go together, where the first product takes `rows`; those after it
// take as many or fewer, and can.
MILLRACE_INLINE int tiles_at_once(const Job& job, const PackedWeight& w, int rows, int left) {
  int tiles = most_tiles(is_plain(w.kind), job.values, rows);
  while (tiles > left) tiles /= 2;
  return tiles;
}

// sums[row * tiles + tile], of `rows` rows from `row` on and `tiles` tiles from `tile` on.
MILLRACE_INLINE void sums_of(const Job& job, const PackedWeight& w, int tile, int tiles, int row,
                             int rows, float32x4_t* sums) {
  const GemmArgs& args = job.args;
  Product product = {};
  product.tile_bytes = tile_bytes(w.kind, w.k);
  product.tiles =
      static_cast<const uint8_t*>(w.data) + static_cast<size_t>(tile) * product.tile_bytes;
  product.k = args.k;
  if (is_plain(w.kind)) {
    product.rows = args.x + row * args.x_stride;
    product.row_bytes = static_cast<size_t>(args.x_stride) * sizeof(float);
    multiply_plain(w.kind, rows, tiles)(product, sums);
    return;
  }
  product.quants_at = scales_bytes(format_of(w.kind).scales, w.k);
  product.rows = job.records + static_cast<size_t>(row) * job.record_row_bytes;
  product.row_bytes = job.record_row_bytes;
  switch (job.values) {
    case RowValues::floats:
      return multiply_exact(w.kind, rows, tiles)(product, sums);
    case RowValues::planes:
      return multiply_planes(w.kind, rows, tiles)(product, sums);
    case RowValues::bytes:
      return multiply_bytes(w.kind, rows, tiles)(product, sums);
  }
}

MILLRACE_INLINE float32x4_t add_bias(const GemmPart& part, int column, int count, float32x4_t sum) {
  return part.bias != nullptr ? vaddq_f32(sum, load_first(part.bias + column, count)) : sum;
}

// One row of one tile: bias, epilogue, and where `up` is given its product with that.
MILLRACE_INLINE void finish(const GemmArgs& args, int part_index, int tile, int row,
                            float32x4_t sum, const float32x4_t* up) {
  const GemmPart& part = args.parts[part_index];
  const int column = tile * kTileRows;
  const int count = smaller(kTileRows, part.weight->n - column);
  sum = activate(args.epilogue, add_bias(part, column, count, sum));
  if (up != nullptr) sum = vmulq_f32(sum, add_bias(args.parts[1], column, count, *up));
  float* out = part.out + row * part.out_stride + column;
  if (args.accumulate) sum = vaddq_f32(sum, load_first(out, count));
  store_first(out, sum, count);
}

// Tiles [begin, end) of a part, of rows [first_row, last_row). A gated product takes the same ones
// of its second part along.
void multiply_range(const Job& job, int part, int begin, int end, int first_row, int last_row) {
  const PackedWeight& w = *job.args.parts[part].weight;
  const bool gated = is_gated(job.args.epilogue);
  float32x4_t sums[kMostRows * kMostTiles], up[kMostRows * kMostTiles];
  for (int tile = begin, tiles = 1; tile < end; tile += tiles) {
    const int most_rows = rows_at_once(last_row - first_row);
    tiles = tiles_at_once(job, w, most_rows, end - tile);
    if (gated) {
      tiles = smaller(tiles, tiles_at_once(job, *job.args.parts[1].weight, most_rows, tiles));
    }
    for (int row = first_row, rows = 0; row < last_row; row += rows) {
      rows = rows_at_once(last_row - row);
      sums_of(job, w, tile, tiles, row, rows, sums);
      if (gated) sums_of(job, *job.args.parts[1].weight, tile, tiles, row, rows, up);
      for (int r = 0; r < rows; ++r) {
        for (int t = 0; t < tiles; ++t) {
          const int at = r * tiles + t;
          finish(job.args, part, tile + t, row + r, sums[at], gated ? up + at : nullptr);
        }
      }
    }
  }
}

// Tiles [begin, end) of the list of all parts' tiles.
void piece(const Job& job, int num_lists, int begin, int end) {
  const GemmArgs& args = job.args;
  for (int row = 0; row < args.m; row += kRowBlock) {
    const int last_row = smaller(args.m, row + kRowBlock);
    int first = 0;  // of this part in the list
    for (int p = 0; p < num_lists; ++p) {
      const int tiles = ceil_div(args.parts[p].weight->n, kTileRows);
      const int from = larger(begin, first), to = smaller(end, first + tiles);
      if (from < to) multiply_range(job, p, from - first, to - first, row, last_row);
      first += tiles;
    }
  }
}

}  // namespace

std::size_t gemm_scratch(const ExecView& exec, const GemmArgs& args) {
  if (!needs_records(args)) return 0;
  return row_bytes(values_of(exec, args), args.k) * static_cast<size_t>(args.m);
}

void gemm(const ExecView& exec, const GemmArgs& args) {
  const RowValues values = values_of(exec, args);
  const Job job = {.args = args,
                   .values = values,
                   .records = static_cast<const uint8_t*>(exec.scratch),
                   .record_row_bytes = row_bytes(values, args.k)};
  if (needs_records(args)) {
    parallel_ranges(exec, args.m, args.k, [&](int begin, int end) {
      for (int r = begin; r < end; ++r) {
        prepare_row(
            values, args.x + r * args.x_stride, args.k,
            static_cast<uint8_t*>(exec.scratch) + static_cast<size_t>(r) * job.record_row_bytes);
      }
    });
  }
  const int num_lists = is_gated(args.epilogue) ? 1 : args.num_parts;
  int tiles = 0;
  for (int p = 0; p < num_lists; ++p) tiles += ceil_div(args.parts[p].weight->n, kTileRows);
  const int64_t tile_cost = int64_t{kTileRows} * args.k * args.m;
  parallel_ranges(exec, tiles, tile_cost,
                  [&](int begin, int end) { piece(job, num_lists, begin, end); });
}

}  // namespace millrace::kernels::neon
