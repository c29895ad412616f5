// One or two rows of x against quantised weights. Memory decides how long that takes, so several
// panels are read side by side: more lines are on their way at a time, and what is made of x serves
// them all. The arithmetic is gemm_vnni.cc's, to the bit.
#include "kernels/avx512/quantize.h"
#include "kernels/avx512/vnni_rows.h"

namespace millrace::kernels {
namespace {

// Asks for the tile of every panel that comes `distance` later, line by line at the pace of its
// rows of codes. The last tiles ask for the first ones of the panels that come next.
template <DType kind, int panels, Cache into>
struct TilesAhead {
  static constexpr size_t kTile = kTileBytes<Traits<kind>::values>;
  static constexpr int kLines = static_cast<int>(kTile / 64);
  static constexpr int kDistance = static_cast<int>((kAskedCodes<into> + kTile - 1) / kTile);

  const uint8_t *first, *next;
  size_t values, panel, scales_a_tile;
  int num_tiles;
  const uint8_t* tile = nullptr;

  TilesAhead(const uint8_t* first_, const uint8_t* next_, int k)
      : first(first_),
        next(next_),
        values(values_bytes<kind>(k)),
        panel(panel_bytes<kind>(k)),
        num_tiles(static_cast<int>(padded_k(k)) / kTileK) {
    scales_a_tile = (panel - values) / static_cast<size_t>(num_tiles);
  }

  void aim(int t) {
    t += kDistance;
    const bool behind = t >= num_tiles;
    const uint8_t* of = behind ? next : first;
    const auto at = static_cast<size_t>(behind ? t - num_tiles : t);
    tile = of + at * kTile;
#pragma GCC unroll 4
    for (size_t p = 0; p < panels; ++p) {
      ask<into>(of + p * panel + values + at * scales_a_tile);
    }
  }
  // With row i of 16.
  void row(int i) const {
    const int line = i * kLines / 16;
    if (i > 0 && line == (i - 1) * kLines / 16) return;
#pragma GCC unroll 4
    for (size_t p = 0; p < panels; ++p) {
      ask<into>(tile + p * panel + 64 * static_cast<size_t>(line));
    }
  }
};

// Sums of `rows` rows by the outputs of `panels` panels.
template <DType kind, int rows, int panels>
struct Sums {
  static constexpr bool kWhole = Traits<kind>::scales == Scales::row;  // one scale for all k
  static constexpr size_t kScalesEach = !kWhole && kSpan<kind> > kGroup<kind> ? 2 : 1;

  __m512 acc[panels][rows], offset[panels][rows];
  __m512i high[panels][rows], low[panels][rows];  // since the last scale

  template <class F>
  static void each(const F& f) {
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) {
#pragma GCC unroll 2
      for (int r = 0; r < rows; ++r) f(p, r);
    }
  }
  void clear() {
    each([&](int p, int r) { acc[p][r] = offset[p][r] = _mm512_setzero_ps(); });
  }
  // What follows is of group `index`.
  void begin(const Rows& x, size_t index, size_t k) {
#pragma GCC unroll 2
    for (int r = 0; r < rows; ++r) {
      const __m512i start = start_of<kind>(x, r, index, k);
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p) {
        high[p][r] = _mm512_setzero_si512();
        low[p][r] = start;
      }
    }
  }

  // Four k of every row, two planes of them at `four`, by quad row `row` of the tiles.
  void add(const int8_t* four, const uint8_t* tile, size_t panel_bytes, int row) {
#pragma GCC unroll 2
    for (int r = 0; r < rows; ++r) {
      const __m512i x_high = broadcast4(four + 8 * r), x_low = broadcast4(four + 8 * r + 4);
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p) {
        const uint8_t* of = tile + static_cast<size_t>(p) * panel_bytes;
        const __m512i codes = code_row<Traits<kind>::values>(of, row);
        high[p][r] = _mm512_dpbusd_epi32(high[p][r], codes, x_high);
        low[p][r] = _mm512_dpbusd_epi32(low[p][r], codes, x_low);
      }
    }
  }

  // The integers are those of group `index`, whose scales follow the codes of each panel.
  void scale(const Rows& x, const uint8_t* scales, size_t panel_bytes, size_t index, size_t k) {
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) {
      const ScaleMin s =
          scale_min<kind>(scales + static_cast<size_t>(p) * panel_bytes, kScalesEach * index);
#pragma GCC unroll 2
      for (int r = 0; r < rows; ++r) {
        const __m512i dot = _mm512_add_epi32(_mm512_slli_epi32(high[p][r], 8), low[p][r]);
        acc[p][r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), s.d, acc[p][r]);
        if constexpr (kFoldsZero<kind>) continue;
        const __m512 sum = _mm512_set1_ps(sum_of<kind>(x, r, index, k));
        offset[p][r] = _mm512_fmadd_ps(s.m, sum, offset[p][r]);
      }
    }
  }
  // The integers are of many k, to be scaled at the end.
  void keep() {
    each([&](int p, int r) {
      const __m512 of_high = _mm512_cvtepi32_ps(high[p][r]);
      acc[p][r] = _mm512_fmadd_ps(of_high, _mm512_set1_ps(256.0f), acc[p][r]);
      acc[p][r] = _mm512_add_ps(_mm512_cvtepi32_ps(low[p][r]), acc[p][r]);
    });
  }

  // to: [panels][rows][16].
  void store(const Rows& x, const uint8_t* scales, size_t panel_bytes, float* to) const {
    each([&](int p, int r) {
      __m512 total = kFoldsZero<kind> ? acc[p][r] : _mm512_add_ps(acc[p][r], offset[p][r]);
      if constexpr (kWhole) {
        const float all = x.sums[static_cast<size_t>(r + 1) * x.sums_stride - 1];
        const __m512 zero = _mm512_set1_ps(-static_cast<float>(Traits<kind>::zero) * all);
        const __m512 d = _mm512_loadu_ps(scales + static_cast<size_t>(p) * panel_bytes);
        total = _mm512_mul_ps(_mm512_add_ps(acc[p][r], zero), d);
      }
      total = _mm512_mul_ps(total, _mm512_set1_ps(x.scales[r]));
      _mm512_storeu_ps(to + 16 * (p * rows + r), total);
    });
  }
};

// to: [panels][rows][16].
template <DType kind, int rows, int panels, Cache into>
void multiply(const Rows& x, const PackedWeight& weight, int panel, const uint8_t* next,
              float* to) {
  using Of = Sums<kind, rows, panels>;
  constexpr int group = Of::kWhole ? kTileK : kSpan<kind>, groups = kTileK / group;
  const uint8_t* tile = panel_at<kind>(weight, panel);
  const uint8_t* const scales = tile + values_bytes<kind>(weight.k);
  const size_t bytes = panel_bytes<kind>(weight.k), k = padded_k(weight.k);
  const int num_tiles = static_cast<int>(k) / kTileK;
  TilesAhead<kind, panels, into> ahead(tile, next, weight.k);
  Of sums;
  sums.clear();
  const int8_t* four = x.planes;
  for (int t = 0; t < num_tiles; ++t, tile += kTileBytes<Traits<kind>::values>) {
    ahead.aim(t);
#pragma GCC unroll 4
    for (int g = 0; g < groups; ++g) {
      const auto index = static_cast<size_t>(t * groups + g);
      if (!Of::kWhole || t % kMostWholeTiles == 0) sums.begin(x, index, k);
#pragma GCC unroll 16
      for (int i = 0; i < group / 4; ++i, four += 8 * rows) {
        const int row = g * (group / 4) + i;
        ahead.row(row);
        sums.add(four, tile, bytes, row);
      }
      if constexpr (!Of::kWhole) sums.scale(x, scales, bytes, index, k);
    }
    if (Of::kWhole && ((t + 1) % kMostWholeTiles == 0 || t + 1 == num_tiles)) sums.keep();
  }
  sums.store(x, scales, bytes, to);
}

// Of two rows there are registers for two panels.
template <DType kind, int rows, Cache into>
void multiply_all(const Rows& x, const PackedWeight& weight, int panel, int count,
                  const uint8_t* next, float* sums) {
  constexpr int most = 4 / rows;
  const size_t bytes = panel_bytes<kind>(weight.k);
  const auto multiply_some = [&]<int panels>() {
    for (; count >= panels; panel += panels, count -= panels, sums += 16 * rows * panels) {
      const uint8_t* behind = panel_at<kind>(weight, panel) + panels * bytes;
      multiply<kind, rows, panels, into>(x, weight, panel, count > panels ? behind : next, sums);
    }
  };
  multiply_some.template operator()<most>();
  if constexpr (most > 2) multiply_some.template operator()<2>();
  multiply_some.template operator()<1>();
}

}  // namespace

namespace avx512 {

void multiply_panels_vnni(const VnniInput& x, const PackedWeight& weight, int panel, int count,
                          const uint8_t* next, float* sums) {
  with_kind(weight.kind, [&]<DType kind>() {
    if constexpr (Traits<kind>::values != Values::f32 && Traits<kind>::values != Values::pair) {
      const auto multiply_rows = [&]<Cache into>() {
        const Rows rows = rows_of(x, 0);
        if (x.rows == 1) return multiply_all<kind, 1, into>(rows, weight, panel, count, next, sums);
        multiply_all<kind, 2, into>(rows, weight, panel, count, next, sums);
      };
      if (cache_to_ask() == Cache::second)
        return multiply_rows.template operator()<Cache::second>();
      multiply_rows.template operator()<Cache::first>();
    }
  });
}

}  // namespace avx512
}  // namespace millrace::kernels
