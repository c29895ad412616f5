#include "kernels/avx2/layout.h"
#include "kernels/avx2/table.h"

namespace millrace::kernels::avx2 {
namespace {

// ---- one source row, block by block

struct TileRow {
  DType kind;
  Format format;
  uint8_t* scales;  // the tile's
  uint8_t* quants;
  int lane;
};

void put_quant(const TileRow& row, int k, int value) {
  const QuantPlace place = quant_place(row.format.quants, row.lane, k);
  uint8_t& byte = row.quants[place.byte];
  if (row.format.quants == Quants::bytes) {
    byte = static_cast<uint8_t>(value);
  } else {
    byte = static_cast<uint8_t>(byte | value << place.shift);
  }
}

void put_half(const TileRow& row, size_t group, const uint8_t* source) {
  memcpy(row.scales + group * 16 + 2 * static_cast<size_t>(row.lane), source, 2);
}

int low_or_high(const uint8_t* nibbles, int i) {  // element i of 32: the low nibbles come first
  return i < 16 ? nibbles[i] & 0xf : nibbles[i - 16] >> 4;
}

void pack_block32(const TileRow& row, int b, const uint8_t* block) {
  const auto group = static_cast<size_t>(b);
  const bool has_min = row.format.scales == Scales::d_m;
  put_half(row, has_min ? 2 * group : group, block);
  if (has_min) put_half(row, 2 * group + 1, block + 2);
  const uint8_t* body = block + (has_min ? 4 : 2);
  uint32_t fifth = 0;
  const bool five = row.kind == DType::q5_0 || row.kind == DType::q5_1;
  if (five) memcpy(&fifth, body, 4);
  for (int i = 0; i < kBlock; ++i) {
    int value = 0;
    if (row.kind == DType::q8_0) {
      value = static_cast<int8_t>(body[i]);
    } else {
      value = low_or_high(five ? body + 4 : body, i) | static_cast<int>(fifth >> i & 1) << 4;
      if (row.kind == DType::q5_0) value -= 16;
    }
    put_quant(row, b * kBlock + i, value);
  }
}

// The 6-bit scale and minimum of block j, from 12 packed bytes (reference/dequantize.cc has it
// spelt out).
void put_scale_min(const TileRow& row, uint8_t* scales, int j, const uint8_t* packed) {
  int scale = packed[j] & 63, min = packed[j + 4] & 63;
  if (j >= 4) {
    scale = (packed[j + 4] & 0xf) | (packed[j - 4] >> 6) << 4;
    min = (packed[j + 4] >> 4) | (packed[j] >> 6) << 4;
  }
  scales[32 + 16 * j + row.lane] = static_cast<uint8_t>(scale);
  scales[32 + 16 * j + 8 + row.lane] = static_cast<uint8_t>(min);
}

void pack_k45(const TileRow& row, int super, const uint8_t* block) {
  uint8_t* scales = row.scales + static_cast<size_t>(super) * 160;
  memcpy(scales + 2 * row.lane, block, 2);
  memcpy(scales + 16 + 2 * row.lane, block + 2, 2);
  const bool five = row.kind == DType::q5_k;
  const uint8_t* high = block + 16;
  const uint8_t* low = block + (five ? 48 : 16);
  for (int j = 0; j < 8; ++j) {
    put_scale_min(row, scales, j, block + 4);
    for (int i = 0; i < kBlock; ++i) {
      const uint8_t byte = low[32 * (j / 2) + i];
      int value = j % 2 == 0 ? byte & 0xf : byte >> 4;
      if (five) value |= (high[i] >> j & 1) << 4;
      put_quant(row, super * kSuper + j * kBlock + i, value);
    }
  }
}

void pack_q6(const TileRow& row, int super, const uint8_t* block) {
  uint8_t* scales = row.scales + static_cast<size_t>(super) * 144;
  memcpy(scales + 2 * row.lane, block + 208, 2);
  for (int i = 0; i < 16; ++i) scales[16 + 8 * i + row.lane] = block[192 + i];
  for (int i = 0; i < kSuper; ++i) {
    const int half = i / 128, run = i % 128 / 32, at = i % 32;
    const uint8_t byte = block[64 * half + 32 * (run % 2) + at];
    const int low = run < 2 ? byte & 0xf : byte >> 4;
    const int value = (low | (block[128 + 32 * half + at] >> (2 * run) & 3) << 4) - 32;
    put_quant(row, super * kSuper + i, value);
  }
}

void pack_quant_row(const PackArgs& args, const TileRow& row, int r) {
  const auto* source = static_cast<const uint8_t*>(args.source) + r * args.source_row_bytes;
  if (args.kind == DType::i8) {
    memcpy(row.scales + 4 * row.lane, args.scales + r, sizeof(float));
    for (int i = 0; i < args.k; ++i) put_quant(row, i, static_cast<int8_t>(source[i]));
    return;
  }
  const int step = static_cast<int>(dtype_block_elements(args.kind));
  for (int b = 0; b < args.k / step; ++b) {
    const uint8_t* block = source + static_cast<size_t>(b) * dtype_block_bytes(args.kind);
    switch (row.format.scales) {
      case Scales::d:
      case Scales::d_m:
        pack_block32(row, b, block);
        break;
      case Scales::k:
        pack_k45(row, b, block);
        break;
      case Scales::q6:
        pack_q6(row, b, block);
        break;
      case Scales::row:
        break;
    }
  }
}

void pack_plain_row(const PackArgs& args, uint8_t* tile, int lane, int r) {
  const auto* source = static_cast<const uint8_t*>(args.source);
  const size_t element = args.kind == DType::f32 ? 4 : 2;
  for (int i = 0; i < args.k; ++i) {
    const uint8_t* from =
        args.transposed ? source + i * args.source_row_bytes + static_cast<size_t>(r) * element
                        : source + r * args.source_row_bytes + static_cast<size_t>(i) * element;
    const auto at = args.kind == DType::bf16
                        ? static_cast<size_t>(i / 2 * 16 + 2 * lane + i % 2)
                        : static_cast<size_t>(i) * 8 + static_cast<size_t>(lane);
    memcpy(tile + at * element, from, element);
  }
}

bool is_plain(DType kind) {
  return kind == DType::f32 || kind == DType::f16 || kind == DType::bf16;
}

}  // namespace

std::size_t packed_bytes(DType kind, int n, int k) {
  const bool known = is_plain(kind) || format_of(kind).plain == false;
  if (!known || k % static_cast<int>(dtype_block_elements(kind)) != 0) return 0;
  return static_cast<size_t>(ceil_div(n, kTileRows)) * tile_bytes(kind, k);
}

void pack_weight(const PackArgs& args, PackedWeight* out) {
  const size_t bytes = tile_bytes(args.kind, args.k);
  const Format format = format_of(args.kind);
  for (int r = args.first_row; r < args.first_row + args.num_rows; ++r) {
    uint8_t* tile = static_cast<uint8_t*>(out->data) + static_cast<size_t>(r / kTileRows) * bytes;
    const int lane = r % kTileRows;
    if (format.plain) {
      pack_plain_row(args, tile, lane, r);
    } else {
      pack_quant_row(args,
                     {.kind = args.kind,
                      .format = format,
                      .scales = tile,
                      .quants = tile + scales_bytes(format.scales, args.k),
                      .lane = lane},
                     r);
    }
  }
}

}  // namespace millrace::kernels::avx2
