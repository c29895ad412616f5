// One row out of a tile: a strided read, element by element. Embedding rows are few.
#include "kernels/neon/layout.h"
#include "kernels/neon/table.h"

namespace millrace::kernels::neon {
namespace {

float half_at(const uint8_t* from) {
  float16_t half;
  memcpy(&half, from, sizeof half);
  return half;
}

void plain_row(DType kind, const uint8_t* tile, int lane, int k, float* out) {
  for (int i = 0; i < k; ++i) {
    const size_t at = static_cast<size_t>(i) * kTileRows + static_cast<size_t>(lane);
    if (kind == DType::f32) {
      memcpy(out + i, tile + 4 * at, sizeof(float));
    } else if (kind == DType::f16) {
      out[i] = half_at(tile + 2 * at);
    } else {
      uint16_t bits;
      memcpy(&bits, tile + 2 * at, sizeof bits);
      const uint32_t wide = static_cast<uint32_t>(bits) << 16;
      memcpy(out + i, &wide, sizeof wide);
    }
  }
}

struct DM {
  float d, m;  // value = d · q + m; q is signed where a kind has no m
};

// Of the 16 elements that begin at k (all kinds share their scale over 16).
DM scale_at(Scales kind, const uint8_t* scales, int lane, int k) {
  const auto block = static_cast<size_t>(k / kBlock);
  const auto super = static_cast<size_t>(k / kSuper);
  const auto at = 2 * static_cast<size_t>(lane);
  switch (kind) {
    case Scales::d:
      return {half_at(scales + 8 * block + at), 0};
    case Scales::d_m:
    case Scales::d_m_64:
    case Scales::d_m_128: {
      const uint8_t* pair = scales + 16 * (block / blocks_a_pair(kind));
      return {half_at(pair + at), half_at(pair + 8 + at)};
    }
    case Scales::k: {
      const uint8_t* s = scales + kBytesK * super;
      const uint8_t* sm = s + 16 + 8 * (block % 8);
      return {half_at(s + at) * static_cast<float>(sm[lane]),
              -(half_at(s + 8 + at) * static_cast<float>(sm[4 + lane]))};
    }
    case Scales::q6: {
      const uint8_t* s = scales + kBytesQ6 * super;
      const auto scale = static_cast<int8_t>(s[8 + 4 * (k % kSuper / 16) + lane]);
      return {half_at(s + at) * static_cast<float>(scale), 0};
    }
    case Scales::row: {
      float d;
      memcpy(&d, scales + 2 * at, sizeof d);
      return {d, 0};
    }
  }
  return {0, 0};
}

// Element k of a row, unsigned but for eight bits.
int quant_at(Quants quants, const uint8_t* first_block, int lane, int k) {
  const uint8_t* block = first_block + static_cast<size_t>(k / kBlock) * block_bytes(quants);
  const int step = k % kBlock / 4, byte = 4 * lane + k % 4;
  if (quants == Quants::eight) return static_cast<int8_t>(block[16 * step + byte]);
  int value = block[16 * (step / 2) + byte] >> (step % 2 * 4) & 0xf;
  if (quants == Quants::five) value |= (block[64 + byte] >> step & 1) << 4;
  if (quants == Quants::six) {
    value |= (block[64 + 16 * (step / 4) + byte] >> (step % 4 * 2) & 3) << 4;
  }
  return value ^ 1 << (bits_of(quants) - 1);
}

void quant_row(DType kind, const uint8_t* tile, int lane, int k, float* out) {
  const Format format = format_of(kind);
  const uint8_t* quants = tile + scales_bytes(format.scales, k);
  const bool as_it_is = format.quants == Quants::eight || has_min(format.scales);
  const int offset = as_it_is ? 0 : 1 << (bits_of(format.quants) - 1);
  DM scale = {0, 0};
  for (int i = 0; i < k; ++i) {
    if (i % 16 == 0) scale = scale_at(format.scales, tile, lane, i);
    const int q = quant_at(format.quants, quants, lane, i) - offset;
    out[i] = scale.d * static_cast<float>(q) + scale.m;
  }
}

}  // namespace

void gather_rows(const ExecView& exec, const GatherRowsArgs& args) {
  const PackedWeight& w = *args.weight;
  const size_t bytes = tile_bytes(w.kind, w.k);
  parallel_ranges(exec, args.count, w.k, [&](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      const auto* tile = static_cast<const uint8_t*>(w.data) +
                         static_cast<size_t>(args.ids[i] / kTileRows) * bytes;
      float* out = args.out + i * args.out_stride;
      const int lane = args.ids[i] % kTileRows;
      if (is_plain(w.kind)) {
        plain_row(w.kind, tile, lane, w.k, out);
      } else {
        quant_row(w.kind, tile, lane, w.k, out);
      }
    }
  });
}

}  // namespace millrace::kernels::neon
