// Embedding rows: each tile of the row's panel is decoded and the row's lane picked out.
#include "kernels/avx512/decode.h"
#include "kernels/avx512/ops.h"
#include "kernels/parallel.h"

namespace millrace::kernels::avx512 {

void gather_rows(const ExecView& exec, const GatherRowsArgs& args) {
  const int pieces = args.count < exec.num_threads * 4 ? args.count : exec.num_threads * 4;
  parallel_for(exec, pieces, [&](int piece, int) {
    alignas(64) float tile[kTileK * kPanelRows];
    const int begin = static_cast<int>(static_cast<int64_t>(args.count) * piece / pieces);
    const int end = static_cast<int>(static_cast<int64_t>(args.count) * (piece + 1) / pieces);
    for (int i = begin; i < end; ++i) {
      const int row = args.ids[i];
      float* out = args.out + i * args.out_stride;
      with_kind(args.weight->kind, [&]<DType kind>() {
        const uint8_t* panel = panel_at<kind>(*args.weight, row / kPanelRows);
        for (int k = 0; k < args.weight->k; k += kTileK) {
          decode_tile<kind>(panel, args.weight->k, k / kTileK, tile);
          const int count = args.weight->k - k < kTileK ? args.weight->k - k : kTileK;
          for (int c = 0; c < count; ++c) out[k + c] = tile[c * kPanelRows + row % kPanelRows];
        }
      });
    }
  });
}

}  // namespace millrace::kernels::avx512
