// A tile at a time: each block of 32 of its four rows is decoded to one byte a quant, then woven
// into the layout.
#include "kernels/neon/layout.h"
#include "kernels/neon/table.h"

namespace millrace::kernels::neon {
namespace {

// ---- decoding: the 32 quants of block b of a row that begins at `row` (reference/dequantize.cc
// spells the formats out)

void low_then_high(const uint8_t* nibbles, uint8_t* out) {
  for (int i = 0; i < 16; ++i) {
    out[i] = nibbles[i] & 0xf;
    out[i + 16] = static_cast<uint8_t>(nibbles[i] >> 4);
  }
}

void add_fifth_bits(const uint8_t* bits, uint8_t* out) {
  uint32_t word;
  memcpy(&word, bits, sizeof word);
  for (int i = 0; i < kBlock; ++i) {
    out[i] = static_cast<uint8_t>(out[i] | (word >> i & 1) << 4);
  }
}

void decode_k45(const uint8_t* super, bool five, int sub, uint8_t* out) {
  const uint8_t* low = super + (five ? 48 : 16) + 32 * (sub / 2);
  const int shift = sub % 2 * 4;
  for (int i = 0; i < kBlock; ++i) {
    const int fifth = five ? (super[16 + i] >> sub & 1) << 4 : 0;
    out[i] = static_cast<uint8_t>((low[i] >> shift & 0xf) | fifth);
  }
}

void decode_q6(const uint8_t* super, int sub, uint8_t* out) {
  const int half = sub / 4, run = sub % 4;
  const uint8_t* low = super + 64 * half + 32 * (run % 2);
  const uint8_t* high = super + 128 + 32 * half;
  const int shift = run / 2 * 4;
  for (int i = 0; i < kBlock; ++i) {
    out[i] = static_cast<uint8_t>((low[i] >> shift & 0xf) | (high[i] >> (2 * run) & 3) << 4);
  }
}

void decode(DType kind, const uint8_t* row, int k, int b, uint8_t* out) {
  const auto at = static_cast<size_t>(b);
  const size_t bytes = dtype_block_bytes(kind);
  const uint8_t* block = row + at * bytes;      // kinds of 32
  const uint8_t* super = row + at / 8 * bytes;  // of 256
  switch (kind) {
    case DType::q4_0:
      return low_then_high(block + 2, out);
    case DType::q4_1:
      return low_then_high(block + 4, out);
    case DType::q4_g64:
      return low_then_high(row + at / 2 * bytes + 4 + at % 2 * 16, out);
    case DType::q4_g128:
      return low_then_high(row + at / 4 * bytes + 4 + at % 4 * 16, out);
    case DType::q5_0:
      low_then_high(block + 6, out);
      return add_fifth_bits(block + 2, out);
    case DType::q5_1:
      low_then_high(block + 8, out);
      return add_fifth_bits(block + 4, out);
    case DType::q8_0:
      memcpy(out, block + 2, kBlock);
      return;
    case DType::q4_k:
      return decode_k45(super, false, b % 8, out);
    case DType::q5_k:
      return decode_k45(super, true, b % 8, out);
    case DType::q6_k:
      return decode_q6(super, b % 8, out);
    default: {  // i8
      const int begin = b * kBlock;
      const int count = smaller(kBlock, k - begin);
      memset(out, 0, kBlock);
      memcpy(out, row + begin, static_cast<size_t>(count));
    }
  }
}

// ---- weaving

using BlockQuants = uint8_t[kTileRows][kBlock];

// Bits [kFirstBit, kFirstBit + kBits) of elements from `first` on, four a step, `kShare` steps to
// the byte, the first one lowest.
template <int kFirstBit, int kBits, int kShare>
void weave_bits(const BlockQuants& q, int first, uint8_t* to) {
  constexpr int kMask = (1 << kBits) - 1;
  for (int row = 0; row < kTileRows; ++row) {
    for (int j = 0; j < 4; ++j) {
      int byte = 0;
      for (int share = 0; share < kShare; ++share) {
        byte |= (q[row][first + 4 * share + j] >> kFirstBit & kMask) << (kBits * share);
      }
      to[4 * row + j] = static_cast<uint8_t>(byte);
    }
  }
}

void weave(Quants quants, const BlockQuants& q, uint8_t* to) {
  if (quants == Quants::eight) {
    for (int step = 0; step < kSteps; ++step) weave_bits<0, 8, 1>(q, 4 * step, to + 16 * step);
    return;
  }
  for (int v = 0; v < 4; ++v) weave_bits<0, 4, 2>(q, 8 * v, to + 16 * v);
  if (quants == Quants::five) weave_bits<4, 1, 8>(q, 0, to + 64);
  if (quants == Quants::six) {
    for (int u = 0; u < 2; ++u) weave_bits<4, 2, 4>(q, 16 * u, to + 64 + 16 * u);
  }
}

// ---- scales of one row (lane)

// The 6-bit scale and minimum of sub-block j from 12 packed bytes.
void put_scale_min(uint8_t* super, int lane, int j, const uint8_t* packed) {
  int scale = packed[j] & 63, min = packed[j + 4] & 63;
  if (j >= 4) {
    scale = (packed[j + 4] & 0xf) | (packed[j - 4] >> 6) << 4;
    min = (packed[j + 4] >> 4) | (packed[j] >> 6) << 4;
  }
  super[16 + 8 * j + lane] = static_cast<uint8_t>(scale);
  super[16 + 8 * j + 4 + lane] = static_cast<uint8_t>(min);
}

void put_pair(uint8_t* to, int lane, const uint8_t* pair) {
  memcpy(to + 2 * lane, pair, 2);
  memcpy(to + 8 + 2 * lane, pair + 2, 2);
}

void put_scales(const PackArgs& args, const uint8_t* row, int r, int lane, uint8_t* to) {
  const Scales scales = format_of(args.kind).scales;
  if (scales == Scales::row) {
    memcpy(to + 4 * lane, args.scales + r, sizeof(float));
    return;
  }
  const int blocks = args.k / static_cast<int>(dtype_block_elements(args.kind));
  const uint8_t* block = row;
  for (int b = 0; b < blocks; ++b, block += dtype_block_bytes(args.kind)) {
    if (scales == Scales::d) {
      memcpy(to + 2 * lane, block, 2);
      to += 8;
    } else if (scales == Scales::k) {
      put_pair(to, lane, block);
      for (int j = 0; j < 8; ++j) put_scale_min(to, lane, j, block + 4);
      to += kBytesK;
    } else if (scales == Scales::q6) {
      memcpy(to + 2 * lane, block + 208, 2);
      for (int i = 0; i < 16; ++i) to[8 + 4 * i + lane] = block[192 + i];
      to += kBytesQ6;
    } else {
      put_pair(to, lane, block);
      to += 16;
    }
  }
}

// Rows [first, first + count) are one tile's, count < 4 in the last one. Missing rows have scale 0.
void pack_quant_tile(const PackArgs& args, int first, int count, uint8_t* tile) {
  const Format format = format_of(args.kind);
  const auto row_of = [&](int lane) {
    return static_cast<const uint8_t*>(args.source) + (first + lane) * args.source_row_bytes;
  };
  for (int lane = 0; lane < count; ++lane) put_scales(args, row_of(lane), first + lane, lane, tile);
  // Unsigned quants of b bits turn signed by their top bit.
  const int flip = format.quants == Quants::eight ? 0 : 1 << (bits_of(format.quants) - 1);
  uint8_t* to = tile + scales_bytes(format.scales, args.k);
  BlockQuants q = {};
  for (int b = 0; b < ceil_div(args.k, kBlock); ++b, to += block_bytes(format.quants)) {
    for (int lane = 0; lane < count; ++lane) {
      decode(args.kind, row_of(lane), args.k, b, q[lane]);
      for (uint8_t& quant : q[lane]) quant = static_cast<uint8_t>(quant ^ flip);
    }
    weave(format.quants, q, to);
  }
}

template <class Element>
void pack_plain_tile(const PackArgs& args, int first, int count, uint8_t* tile) {
  const auto* source = static_cast<const uint8_t*>(args.source);
  constexpr auto kSize = static_cast<int64_t>(sizeof(Element));
  const int64_t row_step = args.transposed ? kSize : args.source_row_bytes;
  const int64_t k_step = args.transposed ? args.source_row_bytes : kSize;
  for (int k = 0; k < args.k; ++k) {
    const uint8_t* from = source + first * row_step + k * k_step;
    uint8_t* to = tile + int64_t{k} * kTileRows * kSize;
    for (int lane = 0; lane < count; ++lane, from += row_step) {
      memcpy(to + lane * kSize, from, sizeof(Element));
    }
  }
}

}  // namespace

std::size_t packed_bytes(DType kind, int n, int k) {
  const bool known = is_plain(kind) || !format_of(kind).plain;
  if (!known || k % static_cast<int>(dtype_block_elements(kind)) != 0) return 0;
  return static_cast<size_t>(ceil_div(n, kTileRows)) * tile_bytes(kind, k);
}

void pack_weight(const PackArgs& args, PackedWeight* out) {
  const size_t bytes = tile_bytes(args.kind, args.k);
  const int end = args.first_row + args.num_rows;
  for (int first = args.first_row; first < end; first += kTileRows) {
    auto* tile = static_cast<uint8_t*>(out->data) + static_cast<size_t>(first / kTileRows) * bytes;
    const int count = smaller(kTileRows, end - first);
    if (args.kind == DType::f32) {
      pack_plain_tile<uint32_t>(args, first, count, tile);
    } else if (is_plain(args.kind)) {
      pack_plain_tile<uint16_t>(args, first, count, tile);
    } else {
      pack_quant_tile(args, first, count, tile);
    }
  }
}

}  // namespace millrace::kernels::neon
