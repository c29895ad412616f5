// Tile registers. The configuration belongs to a thread: load it at the start of a task and release
// it at the end, so that context switches stay cheap.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace millrace::kernels {
namespace {

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// g++ 12's _tile_loadconfig names only the first bytes of its operand, so stores to the rest may be
// dropped; here the operand is the whole structure.
inline void load_config(const TileConfig& config) {
  asm volatile("ldtilecfg %0" ::"m"(config));
}

// Tiles have rows of 64 bytes; B (6 and 7) has 16 of them, sums (0 to 3) and A (4 and 5) have
// `rows`: a product takes a cycle a row.
inline void use_tiles_of(int rows) {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = 64;
    config.rows[i] = static_cast<uint8_t>(i < 6 ? rows : 16);
  }
  load_config(config);
}
inline void use_full_tiles() {
  use_tiles_of(16);
}

}  // namespace
}  // namespace millrace::kernels
