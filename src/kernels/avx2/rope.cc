#include "kernels/avx2/simd.h"
#include "kernels/avx2/table.h"

namespace millrace::kernels::avx2 {
namespace {

// Pairs (i, i + pairs).
void rotate_halves(float* x, int pairs, const float* cosine, const float* sine) {
  for (int i = 0; i < pairs; i += 8) {
    const int left = pairs - i;
    const __m256 c = load_first(cosine + i, left), s = load_first(sine + i, left);
    const __m256 a = load_first(x + i, left), b = load_first(x + pairs + i, left);
    store_first(x + i, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)), left);
    store_first(x + pairs + i, _mm256_fmadd_ps(b, c, _mm256_mul_ps(a, s)), left);
  }
}

// Pairs (2i, 2i + 1): a·c - b·s in even lanes, b·c + a·s in odd ones.
void rotate_neighbours(float* x, int pairs, const float* cosine, const float* sine) {
  const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
  int i = 0;
  for (; i + 4 <= pairs; i += 4) {
    const __m256 c =
        _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(cosine + i)), twice);
    const __m256 s =
        _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(sine + i)), twice);
    const __m256 both = _mm256_loadu_ps(x + 2 * i);
    const __m256 swapped = _mm256_permute_ps(both, 0xb1);
    _mm256_storeu_ps(x + 2 * i, _mm256_fmaddsub_ps(both, c, _mm256_mul_ps(swapped, s)));
  }
  for (; i < pairs; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cosine[i] - b * sine[i];
    x[2 * i + 1] = b * cosine[i] + a * sine[i];
  }
}

}  // namespace

void rope(const ExecView& exec, const RopeArgs& args) {
  const int pairs = args.rotary_dim / 2;
  parallel_ranges(exec, args.tokens, int64_t{args.heads} * args.head_dim, [&](int begin, int end) {
    for (int token = begin; token < end; ++token) {
      const int64_t angle = int64_t{args.positions[token]} * pairs;
      for (int head = 0; head < args.heads; ++head) {
        float* x = args.x + token * args.x_stride + int64_t{head} * args.head_dim;
        (args.interleaved ? rotate_neighbours : rotate_halves)(x, pairs, args.cosine + angle,
                                                               args.sine + angle);
      }
    }
  });
}

}  // namespace millrace::kernels::avx2
