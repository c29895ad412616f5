// Few rows, as in decoding, over bf16 KV with tiles, a chunk of positions at a time
// (kernels/chunked_attention.h). What counts is K's and V's way from memory: 16 positions of K, and
// 16 of V at 16 dims, are B tiles where they lie, so nothing is taken apart on the way. Scores and
// sums are f32; q and the softmax weights are rounded to bf16.
#include <math.h>

#include "kernels/amx/attention.h"
#include "kernels/amx/exp2.h"
#include "kernels/amx/tile.h"
#include "kernels/avx512/ask.h"
#include "kernels/avx512/chunk.h"

namespace millrace::kernels {
namespace {

constexpr int kMostRows = 16;
constexpr size_t kTile = 1024;

// One thread's memory.
struct Own {
  uint8_t* q;        // [dim/32] A tiles
  float* scores;     // [kMostRows][kChunk]
  uint8_t* weights;  // [kMostRows][kChunk] bf16: A tiles of 16 positions
  uint8_t* tail;     // [8][width][2] bf16: V of the last positions, zero behind them
};
constexpr size_t kScoresBytes = kMostRows * kChunk * 4, kWeightsBytes = kScoresBytes / 2;
constexpr size_t kScoresStride = kChunk * 4, kWeightsStride = kChunk * 2;

size_t own_bytes_of(const KvLayout& layout) {
  return layout.width / 32 * kTile + kScoresBytes + kWeightsBytes + 32 * layout.width;
}
Own own_at(void* memory, const KvLayout& layout) {
  Own own;
  own.q = static_cast<uint8_t*>(memory);
  own.scores = reinterpret_cast<float*>(own.q + layout.width / 32 * kTile);
  own.weights = reinterpret_cast<uint8_t*>(own.scores) + kScoresBytes;
  own.tail = own.weights + kWeightsBytes;
  return own;
}

// C (0 to 3) and A (4 and 5) have `rows`, B (6 and 7) has `k` rows of pairs: 2·k of A's columns.
void use_tiles(int rows, int k) {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = static_cast<uint16_t>(i == 4 || i == 5 ? 4 * k : 64);
    config.rows[i] = static_cast<uint8_t>(i < 6 ? rows : k);
  }
  load_config(config);
}

// Asks for `lines` lines.
void ask_for(const uint8_t* at, int lines) {
  for (int i = 0; i < lines; ++i) ask<Cache::first>(at + 64 * i);
}

// The partials of up to 16 rows over a chunk.
class FewRows {
 public:
  FewRows(const Chunk& chunk, const Ahead& ahead, const Row* rows, int num_rows, const Own& own)
      : chunk_(chunk),
        ahead_(ahead),
        args_(chunk.args),
        rows_(rows),
        num_rows_(num_rows),
        groups_((chunk.end - chunk.begin + 15) / 16),
        own_(own) {}

  void run(float* partials) const {
    take_queries();
    use_tiles(num_rows_, 16);
    for (int g = 0; g < groups_; g += 2) score(g, g + 1 < groups_);
    const size_t stride = chunked::kHead + chunk_.layout.width;
    for (int r = 0; r < num_rows_; ++r) soften(r, partials + static_cast<size_t>(r) * stride);
    copy_tail();
    use_tiles(num_rows_, 8);
    const int columns = static_cast<int>(chunk_.layout.width) / 16;
    int c = 0;
    for (; c + 4 <= columns; c += 4) add_values<4>(c, partials, 4 * stride);
    if (c < columns) add_values<2>(c, partials, 4 * stride);
  }

 private:
  void take_queries() const {
    for (int r = 0; r < num_rows_; ++r) {
      for (int i = 0; i < args_.shape.head_dim; i += 32) {
        const float* q = rows_[r].q + i;
        _mm512_store_si512(own_.q + static_cast<size_t>(i / 32) * kTile + 64 * r,
                           reinterpret_cast<__m512i>(
                               _mm512_cvtne2ps_pbh(_mm512_loadu_ps(q + 16), _mm512_loadu_ps(q))));
      }
    }
  }

  // Of 16 positions, or of 32.
  void score(int group, bool both) const {
    const uint8_t* k0 = chunk_.keys(chunk_.begin + 16 * group);
    const uint8_t* k1 = both ? chunk_.keys(chunk_.begin + 16 * group + 16) : k0;
    const uint8_t* wanted0 = ahead_.during(group);
    const uint8_t* wanted1 = both ? ahead_.during(group + 1) : wanted0;
    _tile_zero(0);
    _tile_zero(1);
    const size_t end = static_cast<size_t>(args_.shape.head_dim) / 32 * kTile;
    for (size_t at = 0; at < end; at += kTile) {
      _tile_loadd(4, own_.q + at, 64);
      _tile_loadd(6, k0 + at, 64);
      ask_for(wanted0 + at, 16);
      _tile_dpbf16ps(0, 4, 6);
      if (!both) continue;
      _tile_loadd(7, k1 + at, 64);
      ask_for(wanted1 + at, 16);
      _tile_dpbf16ps(1, 4, 7);
    }
    _tile_stored(0, own_.scores + 16 * group, kScoresStride);
    if (both) _tile_stored(1, own_.scores + 16 * group + 16, kScoresStride);
  }

  // Scores of row r to weights e^(s - max); their maximum and sum to the head of its partial. A row
  // whose scores are all NaN has no maximum, but a sum.
  void soften(int r, float* partial) const {
    const Row& row = rows_[r];
    float* scores = own_.scores + static_cast<size_t>(r) * kChunk;
    uint8_t* weights = own_.weights + static_cast<size_t>(r) * kWeightsStride;
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i first = _mm512_set1_epi32(row.first), last = _mm512_set1_epi32(row.last);
    const __m512 nothing = _mm512_set1_ps(-INFINITY);
    __m512 max = nothing;
    for (int g = 0; g < groups_; ++g) {
      __m512 s = _mm512_mul_ps(_mm512_load_ps(scores + 16 * g), _mm512_set1_ps(args_.scale));
      if (args_.soft_cap > 0) s = soft_capped(s, args_.soft_cap);
      const __m512i at = _mm512_add_epi32(lanes, _mm512_set1_epi32(chunk_.begin + 16 * g));
      const __mmask16 seen = _mm512_cmple_epi32_mask(at, last) & _mm512_cmpge_epi32_mask(at, first);
      s = _mm512_mask_mov_ps(nothing, seen, s);
      max = _mm512_max_ps(max, s);
      _mm512_store_ps(scores + 16 * g, s);
    }
    const float largest = _mm512_reduce_max_ps(max);
    const bool sees = row.first < chunk_.end && row.last >= chunk_.begin;
    // Where nothing is seen 0 stands for the maximum, and every weight is 0.
    const __m512 units = _mm512_set1_ps(kLog2e);
    const __m512 subtract = _mm512_set1_ps(largest == -INFINITY ? 0.0f : largest * kLog2e);
    __m512 sum = _mm512_setzero_ps();
    for (int g = 0; g < groups_; ++g) {
      const __m512 e = exp2_16(_mm512_fmsub_ps(_mm512_load_ps(scores + 16 * g), units, subtract));
      sum = _mm512_add_ps(sum, e);
      _mm256_store_si256(reinterpret_cast<__m256i*>(weights + 32 * g),
                         reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(e)));
    }
    partial[0] = largest;
    partial[1] = sees && largest == -INFINITY ? NAN : _mm512_reduce_add_ps(sum);
  }

  // What lies behind the context becomes zero: stale memory may hold NaN.
  void copy_tail() const {
    const int left = (chunk_.end - chunk_.begin) % 16;
    if (left == 0) return;
    const size_t row_bytes = 4 * chunk_.layout.width;  // of two positions
    const uint8_t* v = chunk_.values(chunk_.begin + 16 * (groups_ - 1));
    for (int pair = 0; pair < 8; ++pair) {
      const int there = left - 2 * pair;  // of the pair's positions
      const __m512i keep = _mm512_set1_epi32(there >= 2 ? -1 : there == 1 ? 0xffff : 0);
      const uint8_t* from = v + static_cast<size_t>(there > 0 ? pair : 0) * row_bytes;
      uint8_t* to = own_.tail + static_cast<size_t>(pair) * row_bytes;
      for (size_t i = 0; i < row_bytes; i += 64) {
        _mm512_store_si512(to + i, _mm512_and_si512(_mm512_loadu_si512(from + i), keep));
      }
    }
  }

  // Weighted V in `columns` times 16 dims from column `first` on.
  template <int columns>
  void add_values(int first, float* partials, size_t stride) const {
    const size_t row_bytes = 4 * chunk_.layout.width;
    const bool has_tail = (chunk_.end - chunk_.begin) % 16 != 0;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int g = 0; g < groups_; ++g) {
      const bool in_tail = has_tail && g + 1 == groups_;
      const uint8_t* v = in_tail ? own_.tail : chunk_.values(chunk_.begin + 16 * g);
      v += 64 * first;
      // The lines of these columns, or as many.
      const uint8_t* wanted = ahead_.during(groups_ + g) + 512 * first;
      _tile_loadd(4, own_.weights + 32 * g, kWeightsStride);
      _tile_loadd(6, v, row_bytes);
      ask_for(wanted, 8);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, v + 64, row_bytes);
      ask_for(wanted + 512, 8);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (columns == 4) {
        _tile_loadd(6, v + 128, row_bytes);
        ask_for(wanted + 1024, 8);
        _tile_dpbf16ps(2, 4, 6);
        _tile_loadd(7, v + 192, row_bytes);
        ask_for(wanted + 1536, 8);
        _tile_dpbf16ps(3, 4, 7);
      }
    }
    float* to = partials + chunked::kHead + 16 * first;
    _tile_stored(0, to, stride);
    _tile_stored(1, to + 16, stride);
    if constexpr (columns == 4) {
      _tile_stored(2, to + 32, stride);
      _tile_stored(3, to + 48, stride);
    }
  }

  const Chunk& chunk_;
  const Ahead& ahead_;
  const AttentionArgs& args_;
  const Row* rows_;
  const int num_rows_, groups_;
  const Own own_;
};

struct TileMachine {
  static constexpr int kRows = kMostRows;

  explicit TileMachine(const AttentionArgs& of) : args(of), layout(kv_layout(of.shape)) {}

  size_t width() const { return layout.width; }
  size_t own_bytes() const { return own_bytes_of(layout); }
  static float exp(float x) { return _mm512_cvtss_f32(exp16(_mm512_set1_ps(x))); }

  void chunk(const Span& span, const Span& next, const Row* rows, int num_rows, float* partials,
             void* own) const {
    const Chunk chunk = chunk_of(args, layout, span);
    const Ahead ahead(chunk, chunk_of(args, layout, next));
    FewRows(chunk, ahead, rows, num_rows, own_at(own, layout)).run(partials);
    _tile_release();
  }

  const AttentionArgs& args;
  const KvLayout layout;
};

}  // namespace

namespace amx {

size_t few_attention_scratch(const ExecView& exec, const AttentionArgs& args) {
  return chunked::Attention(exec, args, TileMachine(args)).scratch_bytes();
}

void few_attention(const ExecView& exec, const AttentionArgs& args) {
  chunked::Attention(exec, args, TileMachine(args)).run();
}

}  // namespace amx
}  // namespace millrace::kernels
