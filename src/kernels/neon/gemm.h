// A product of a few rows of x with a few tiles: what gemm.cc is made of. One function a family of
// weights and of activations, each for certain numbers of rows and tiles.
#pragma once

#include "kernels/neon/rows.h"

namespace millrace::kernels::neon {

struct Product {
  const uint8_t* tiles;  // the first; the others follow at once
  size_t tile_bytes;
  size_t quants_at;  // in a tile, of quantised weights
  const void* rows;  // of x: f32 for plain weights, records (rows.h) for others
  size_t row_bytes;  // from one row to the next
  int k;
};

// out[row * tiles + tile] = the four sums of that row and tile. A row's sums are the same bits
// whatever it is multiplied together with.
using Multiply = void (*)(const Product& product, float32x4_t* out);

// rows: 1 to 4 or 8. tiles: 1, 2 or 4, at most what most_tiles says.
Multiply multiply_plain(DType kind, int rows, int tiles);   // gemm_plain.cc
Multiply multiply_exact(DType kind, int rows, int tiles);   // gemm_exact.cc
Multiply multiply_planes(DType kind, int rows, int tiles);  // gemm_planes.cc
Multiply multiply_bytes(DType kind, int rows, int tiles);   // gemm_bytes.cc

namespace {

constexpr int kMostRows = 8, kMostTiles = 4;

// Side by side, so that enough sums run to hide the latency of one.
MILLRACE_INLINE int most_tiles(bool plain, RowValues values, int rows) {
  if (plain) return rows <= 2 ? 4 : 2;
  if (values == RowValues::floats) return rows <= 2 ? 4 : rows <= 4 ? 2 : 1;
  return rows <= 2 ? 2 : 1;
}

}  // namespace
}  // namespace millrace::kernels::neon
