#include "kernels/avx2/kv_layout.h"

#include "kernels/avx2/table.h"

namespace millrace::kernels::avx2 {
namespace {

// To nearest even; NaN stays NaN. Low half of each 32-bit lane.
MILLRACE_INLINE __m256i to_bf16(__m256 value) {
  const __m256i bits = _mm256_castps_si256(value);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(
      _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x40));
  const __m256 is_nan = _mm256_cmp_ps(value, value, _CMP_UNORD_Q);
  return _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(is_nan));
}

// NaN where one is NaN: as a scale it then shows, which the bytes could not. As integers, the bits
// of magnitudes order like them, with NaN above all.
MILLRACE_INLINE float largest_magnitude(const float* x, int width) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i top = _mm256_setzero_si256();
  for (int i = 0; i < width; i += 8) {
    const __m256i bits = _mm256_castps_si256(load_first(x + i, width - i));
    top = _mm256_max_epi32(top, _mm256_and_si256(bits, magnitude));
  }
  int lanes[8], largest = 0;
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), top);
  for (const int lane : lanes) largest = lane > largest ? lane : largest;
  float out;
  memcpy(&out, &largest, sizeof out);
  return out;
}

// Eight elements of a head as the kind keeps them, in the low bytes of 32-bit lanes.
MILLRACE_INLINE __m256i encode(KvKind kind, __m256 value, float inverse) {
  if (kind == KvKind::f32) return _mm256_castps_si256(value);
  if (kind == KvKind::bf16) return to_bf16(value);
  return _mm256_cvtps_epi32(_mm256_mul_ps(value, _mm256_set1_ps(inverse)));
}

// Writes lane i's low `element` bytes at to + i · step, for `count` lanes.
MILLRACE_INLINE void scatter(uint8_t* to, size_t step, size_t element, __m256i lanes, int count) {
  uint32_t values[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(values), lanes);
  for (int i = 0; i < count; ++i) {
    memcpy(to + static_cast<size_t>(i) * step, values + i, element);
  }
}

void store_head(const KvStoreArgs& args, const KvLayout& layout, uint8_t* block, size_t head,
                size_t token, const float* k, const float* v) {
  const KvKind kind = args.shape.kind;
  const int width = args.shape.head_dim;
  float k_inverse = 0, v_inverse = 0;
  if (kind == KvKind::i8) {
    const float k_top = largest_magnitude(k, width), v_top = largest_magnitude(v, width);
    const float k_scale = k_top / 127.0f, v_scale = v_top / 127.0f;
    memcpy(block + layout.k_scale_at(head, token), &k_scale, sizeof k_scale);
    memcpy(block + layout.v_scale_at(head, token), &v_scale, sizeof v_scale);
    k_inverse = k_top > 0 ? 127.0f / k_top : 0.0f;
    v_inverse = v_top > 0 ? 127.0f / v_top : 0.0f;
  }
  uint8_t* v_to = block + layout.v_at(head, token);
  for (int i = 0; i < width; i += 8) {
    const int count = smaller(8, width - i);
    const auto dim = static_cast<size_t>(i);
    scatter(block + layout.k_at(head, dim, token), layout.tokens * layout.element, layout.element,
            encode(kind, load_first(k + i, count), k_inverse), count);
    scatter(v_to + dim * layout.element, layout.element, layout.element,
            encode(kind, load_first(v + i, count), v_inverse), 8);
  }
}

}  // namespace

std::size_t kv_block_bytes(const KvShape& shape) {
  return KvLayout(shape).block_bytes;
}

void kv_store(const ExecView& exec, const KvStoreArgs& args) {
  const KvLayout layout(args.shape);
  const int64_t width = int64_t{args.shape.kv_heads} * args.shape.head_dim;
  parallel_ranges(exec, args.tokens, 4 * width, [&](int begin, int end) {
    for (int t = begin; t < end; ++t) {
      const int slot = args.slots[t];
      uint8_t* block = static_cast<uint8_t*>(args.layer_kv) +
                       static_cast<size_t>(slot / args.shape.block_tokens) * layout.block_bytes;
      const auto token = static_cast<size_t>(slot % args.shape.block_tokens);
      for (int head = 0; head < args.shape.kv_heads; ++head) {
        const int64_t at = int64_t{head} * args.shape.head_dim;
        store_head(args, layout, block, static_cast<size_t>(head), token,
                   args.k + t * args.k_stride + at, args.v + t * args.v_stride + at);
      }
    }
  });
}

}  // namespace millrace::kernels::avx2
