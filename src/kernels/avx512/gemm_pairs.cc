// Rows of x rounded to bf16 against bf16 weights: vdpbf16ps multiplies two k of 16 outputs at a
// time, straight from the panel, with a pair of x broadcast to all of them.
#include "kernels/avx512/decode.h"
#include "kernels/avx512/gemm.h"
#include "kernels/avx512/quantize.h"
#include "kernels/avx512/row_groups.h"

namespace millrace::kernels {
namespace {

constexpr int kTilePairs = kTileK / 2;

template <int rows>
void multiply(const uint32_t* x, const PackedWeight& weight, int panel, Pass pass, float* sums) {
  const uint8_t* from = panel_at<DType::bf16>(weight, panel);
  const int num_tiles = static_cast<int>(padded_k(weight.k)) / kTileK;
  Lookahead ahead =
      look_ahead(from, panel_bytes<DType::bf16>(weight.k), rows, pass.index, pass.count);
  __m512 acc[rows];
  for (int r = 0; r < rows; ++r) acc[r] = _mm512_setzero_ps();
  for (int t = 0; t < num_tiles; ++t) {
    ahead.upto(t + 1, num_tiles);
#pragma GCC unroll 4
    for (int i = 0; i < kTilePairs; ++i, from += 64, x += rows) {
      const auto w = reinterpret_cast<__m512bh>(_mm512_loadu_si512(from));
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) {
        const __m512i pair = _mm512_set1_epi32(static_cast<int>(x[r]));
        acc[r] = _mm512_dpbf16_ps(acc[r], w, reinterpret_cast<__m512bh>(pair));
      }
    }
  }
  for (int r = 0; r < rows; ++r) _mm512_storeu_ps(sums + 16 * r, acc[r]);
}

// Row `r` of a group of `group` rows, whose pairs begin at `to`; a null row is zero.
void put_row(const float* x, int k, uint32_t* to, int group, int r) {
  to += r;
  for (int i = 0; i < static_cast<int>(padded_k(k)); i += 32) {
    __m512i pairs = _mm512_setzero_si512();
    if (x != nullptr) {
      const __m512 low = load_row16(x, i, k), high = load_row16(x, i + 16, k);
      pairs = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    }
    alignas(64) uint32_t sixteen[16];
    _mm512_store_si512(sixteen, pairs);
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j, to += group) *to = sixteen[j];
  }
}

}  // namespace

namespace avx512 {

bool pairs_pay() {
  static const bool kPay = __builtin_cpu_supports("avx512bf16") && __builtin_cpu_is("amd");
  return kPay;
}

size_t pairs_scratch(int m, int k) {
  return static_cast<size_t>(vnni_padded_rows(m)) * padded_k(k) * 2;
}

PairInput pairs_of(const ExecView& exec, const GemmArgs& args, void* scratch) {
  auto* const pairs = static_cast<uint32_t*>(scratch);
  const size_t row_pairs = padded_k(args.k) / 2;
  prepare_row_groups(exec, args, [&](const float* x, int first, int r, int group) {
    put_row(x, args.k, pairs + static_cast<size_t>(first) * row_pairs, group, r);
  });
  return {args.m, static_cast<int>(padded_k(args.k)), pairs};
}

void multiply_panel_pairs(const PairInput& x, const PackedWeight& weight, int panel, float* sums) {
  for_row_groups(x.rows, [&]<int rows>(int first, Pass pass) {
    const uint32_t* group = x.pairs + static_cast<size_t>(first) * static_cast<size_t>(x.k) / 2;
    multiply<rows>(group, weight, panel, pass, sums + 16 * first);
  });
}

}  // namespace avx512
}  // namespace millrace::kernels
