// Stores new K and V vectors (kv.h has the layout).
#include "kernels/avx512/kv.h"

#include <math.h>
#include <string.h>

#include "kernels/avx512/ops.h"
#include "kernels/avx512/simd.h"
#include "kernels/parallel.h"

namespace millrace::kernels {
namespace {

// Lanes rounded to bf16, in their upper halves; a NaN stays one.
inline __m512i to_bf16(__m512 v) {
  const __m512i bits = _mm512_castps_si512(v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  return _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), quiet);
}

// NaN where one is NaN: as a scale it then shows, which the bytes could not.
float largest_of(const float* x, int count) {
  float largest = 0;
  for (int i = 0; i < count && largest == largest; ++i) {
    const float magnitude = fabsf(x[i]);
    largest = magnitude <= largest ? largest : magnitude;
  }
  return largest;
}

int8_t to_i8(float value) {
  return static_cast<int8_t>(nearbyintf(fmaxf(fminf(value, 127.0f), -127.0f)));
}

struct Place {
  uint8_t* k;  // of the head in the block
  uint8_t* v;
  float* k_scale;
  float* v_scale;
  size_t token;  // in the block
};

// One vector of K and one of V.
void store_f32(const KvLayout& layout, const KvShape& shape, const float* k, const float* v,
               const Place& to) {
  const size_t lane = to.token % 16;
  auto* group = reinterpret_cast<float*>(to.k) + to.token / 16 * 16 * layout.depth + lane;
  auto* row = reinterpret_cast<float*>(to.v) + to.token * layout.width;
  const auto dim = static_cast<size_t>(shape.head_dim);
  for (size_t i = 0; i < layout.depth; ++i) group[16 * i] = i < dim ? k[i] : 0.0f;
  for (size_t i = 0; i < layout.width; ++i) row[i] = i < dim ? v[i] : 0.0f;
}

void store_bf16(const KvLayout& layout, const KvShape& shape, const float* k, const float* v,
                const Place& to) {
  const size_t lane = to.token % 16;
  auto* pairs = reinterpret_cast<uint32_t*>(to.k) + to.token / 16 * 8 * layout.depth + lane;
  auto* row = reinterpret_cast<uint16_t*>(to.v) + to.token / 2 * 2 * layout.width;
  const bool odd = to.token % 2 != 0;  // of the two tokens that share a row of V
  for (size_t i = 0; i < layout.width; i += 16) {
    const int left = shape.head_dim - static_cast<int>(i);
    const __m512i of_k = to_bf16(_mm512_maskz_loadu_ps(tail_mask(left), k + i));
    alignas(64) uint16_t words[32];
    _mm512_store_si512(words, _mm512_srli_epi32(of_k, 16));
    for (size_t j = 0; j < 8 && i + 2 * j < layout.depth; ++j) {
      pairs[16 * (i / 2 + j)] = words[4 * j] | uint32_t{words[4 * j + 2]} << 16;
    }
    const __m512i of_v = to_bf16(_mm512_maskz_loadu_ps(tail_mask(left), v + i));
    _mm512_mask_storeu_epi16(row + 2 * i, odd ? 0xaaaaaaaa : 0x55555555,
                             odd ? of_v : _mm512_srli_epi32(of_v, 16));
  }
}

void store_i8(const KvLayout& layout, const KvShape& shape, const float* k, const float* v,
              const Place& to) {
  const size_t lane = to.token % 16;
  auto* group = reinterpret_cast<int8_t*>(to.k) + to.token / 16 * 16 * layout.depth + 4 * lane;
  auto* row = reinterpret_cast<int8_t*>(to.v) + to.token * layout.width;
  const auto dim = static_cast<size_t>(shape.head_dim);
  const float k_largest = largest_of(k, shape.head_dim), v_largest = largest_of(v, shape.head_dim);
  const float k_inverse = k_largest > 0 ? 127.0f / k_largest : 0.0f;
  const float v_inverse = v_largest > 0 ? 127.0f / v_largest : 0.0f;
  to.k_scale[to.token] = k_largest / 127.0f;
  to.v_scale[to.token] = v_largest / 127.0f;
  for (size_t i = 0; i < layout.depth; ++i) {
    group[64 * (i / 4) + i % 4] = i < dim ? to_i8(k[i] * k_inverse) : int8_t{0};
  }
  for (size_t i = 0; i < layout.width; ++i) row[i] = i < dim ? to_i8(v[i] * v_inverse) : int8_t{0};
}

}  // namespace

namespace avx512 {

size_t kv_block_bytes(const KvShape& shape) {
  return kv_layout(shape).block_bytes;
}

void kv_store(const ExecView& exec, const KvStoreArgs& args) {
  const KvShape& shape = args.shape;
  const KvLayout layout = kv_layout(shape);
  auto* layer = static_cast<uint8_t*>(args.layer_kv);
  // Neighbouring tokens share lines, so a piece is a run of them; few tokens stay on the caller.
  constexpr int kRun = 64;
  parallel_near(exec, (args.tokens + kRun - 1) / kRun, [&](int piece, int) {
    const int end = piece * kRun + kRun < args.tokens ? piece * kRun + kRun : args.tokens;
    for (int t = piece * kRun; t < end; ++t) {
      const int slot = args.slots[t];
      uint8_t* block = layer + static_cast<size_t>(slot / shape.block_tokens) * layout.block_bytes;
      for (int h = 0; h < shape.kv_heads; ++h) {
        const auto head = static_cast<size_t>(h), tokens = static_cast<size_t>(shape.block_tokens);
        auto* scales = reinterpret_cast<float*>(block + layout.scales_offset);
        const Place to = {.k = block + head * layout.k_head_bytes,
                          .v = block + layout.v_offset + head * layout.v_head_bytes,
                          .k_scale = scales + head * tokens,
                          .v_scale = scales + (static_cast<size_t>(shape.kv_heads) + head) * tokens,
                          .token = static_cast<size_t>(slot % shape.block_tokens)};
        const float* k = args.k + t * args.k_stride + h * shape.head_dim;
        const float* v = args.v + t * args.v_stride + h * shape.head_dim;
        if (shape.kind == KvKind::f32) {
          store_f32(layout, shape, k, v, to);
        } else if (shape.kind == KvKind::bf16) {
          store_bf16(layout, shape, k, v, to);
        } else {
          store_i8(layout, shape, k, v, to);
        }
      }
    }
  });
}

}  // namespace avx512
}  // namespace millrace::kernels
