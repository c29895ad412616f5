// One row out of a tile: a strided read, element by element. Embedding rows are few.
#include "kernels/avx2/layout.h"
#include "kernels/avx2/table.h"

namespace millrace::kernels::avx2 {
namespace {

float half_at(const uint8_t* from) {
  uint16_t bits;
  memcpy(&bits, from, sizeof bits);
  return _cvtsh_ss(bits);
}

void plain_row(DType kind, const uint8_t* tile, int lane, int k, float* out) {
  for (int i = 0; i < k; ++i) {
    const size_t at = static_cast<size_t>(i) * 8 + static_cast<size_t>(lane);
    if (kind == DType::f32) {
      memcpy(out + i, tile + 4 * at, sizeof(float));
    } else if (kind == DType::f16) {
      out[i] = half_at(tile + 2 * at);
    } else {
      uint16_t bits;
      memcpy(&bits, tile + 2 * static_cast<size_t>(i / 2 * 16 + 2 * lane + i % 2), sizeof bits);
      const uint32_t wide = static_cast<uint32_t>(bits) << 16;
      memcpy(out + i, &wide, sizeof wide);
    }
  }
}

struct DM {
  float d, m;  // value = d · q + m
};

// Of the 16 elements that begin at k (all kinds share their scale over 16).
DM scale_at(const Format& format, const uint8_t* scales, int lane, int k) {
  const auto block = static_cast<size_t>(k / kBlock);
  const auto super = static_cast<size_t>(k / kSuper);
  const auto at = 2 * static_cast<size_t>(lane);
  switch (format.scales) {
    case Scales::d:
      return {half_at(scales + 16 * block + at), 0};
    case Scales::d_m:
    case Scales::d_m_64:
    case Scales::d_m_128: {
      const size_t span = format.scales == Scales::d_m      ? 1
                          : format.scales == Scales::d_m_64 ? 2
                                                            : 4;
      const uint8_t* pair = scales + 32 * (block / span);
      return {half_at(pair + at), half_at(pair + 16 + at)};
    }
    case Scales::k: {
      const uint8_t* s = scales + 160 * super;
      const uint8_t* sm = s + 32 + 16 * (block % 8);
      return {half_at(s + at) * static_cast<float>(sm[lane]),
              -(half_at(s + 16 + at) * static_cast<float>(sm[8 + lane]))};
    }
    case Scales::q6: {
      const uint8_t* s = scales + 144 * super;
      const auto scale = static_cast<int8_t>(s[16 + 8 * (k % kSuper / 16) + lane]);
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

// Element k of a row, before its offset.
int quant_at(Quants quants, const uint8_t* first_block, int lane, int k) {
  const uint8_t* block = first_block + static_cast<size_t>(k / kBlock) * block_bytes(quants);
  const int e = k % kBlock;
  if (quants == Quants::eight) {
    const int step = e / 4 * 2 + e % 2, w = e % 4 / 2;
    return static_cast<int8_t>(block[16 * step + 2 * lane + w]);
  }
  const int byte = 4 * lane + e % 4;
  int value = block[32 * (e / 8) + byte] >> (e / 4 % 2 * 4) & 0xf;
  if (quants == Quants::five) value |= (block[128 + byte] >> (e / 4) & 1) << 4;
  if (quants == Quants::six) {
    value |= (block[128 + 32 * (e / 16) + byte] >> (e / 4 % 4 * 2) & 3) << 4;
  }
  return value;
}

void quant_row(DType kind, const uint8_t* tile, int lane, int k, float* out) {
  const Format format = format_of(kind);
  const uint8_t* quants = tile + scales_bytes(format.scales, k);
  DM scale = {0, 0};
  for (int i = 0; i < k; ++i) {
    if (i % 16 == 0) scale = scale_at(format, tile, lane, i);
    const int q = quant_at(format.quants, quants, lane, i) - format.offset;
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
      if (format_of(w.kind).plain) {
        plain_row(w.kind, tile, lane, w.k, out);
      } else {
        quant_row(w.kind, tile, lane, w.k, out);
      }
    }
  });
}

}  // namespace millrace::kernels::avx2
