// THE KERNEL TABLE: one struct of function pointers, filled once for the machine
// (kernels/select.h). Plain data only: this header is compiled by every ISA's flags and by nvcc, so
// it defines no functions.
//
// Conventions. Activations are f32, row-major; `stride` is in elements between rows. Arguments were
// checked by kernels/ops.h, so kernels check nothing. No kernel allocates: scratch comes in
// ExecView, its size from the table's *_scratch function. Outputs do not alias inputs unless a
// field says so. Softmax, norms and sums accumulate in f32. Results do not depend on num_threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/exec_view.h"

namespace millrace::kernels {

// ---- weights
// ------------------------------------------------------------------------------------------- What
// a table makes of a weight at load. The layout behind `data` is private to the table that packed
// it. `kind` is how values are stored: f32, bf16, f16, i8 (one scale a row), the GGUF block kinds
// (their scales and minimums kept exactly). int4 in groups of 32/64/128 is q4_0/q4_1-like with its
// own group.
struct PackedWeight {
  DType kind;
  int n;      // rows = output features
  int k;      // columns = input features
  int group;  // elements that share a scale; 0 for plain kinds, k for i8
  void* data;
  std::size_t bytes;
};

struct PackArgs {
  DType kind;  // of the source, and of the packed weight
  int n, k;
  const void* source;   // row 0 of [n, k] row-major in `kind`'s own format (GGUF blocks along k)
  const float* scales;  // i8 only: [n]
  std::int64_t source_row_bytes;
  bool transposed;  // plain kinds only: source is [k, n] (GPT-2's Conv1D); source_row_bytes is a
                    // k-row's
  int first_row,
      num_rows;  // pack only these rows of the destination (a multiple of pack_row_multiple
                 // apart from the tail), so packing can run in parallel and stream from a file
};

enum class Epilogue : std::uint8_t {
  none,
  silu_mul,       // two parts of one shape: out[0] = silu(x·W0ᵀ+b0) * (x·W1ᵀ+b1)   (gate, up)
  gelu_tanh_mul,  // the same with gelu (tanh form)
  gelu_tanh,      // out = gelu_tanh(x·Wᵀ + b), each part
  gelu_erf,
  silu,
  relu,
};

// Rows of activations as the products that read them want them, where that is not f32: the op
// before writes them instead of f32 rows, and no pass over memory only converts. Forms are the
// table's own. The product makes the same of an operand, to the bit, as of the f32 rows.
struct Operand {
  int form = 0;          // 0: none, f32 rows are meant
  void* data = nullptr;  // operand_bytes(rows, width) of them, 64-byte aligned
};

struct GemmPart {
  const PackedWeight* weight;
  const float* bias;  // [n] or null
  float* out;         // [m, n]
  std::int64_t out_stride;
};

// out_i = epilogue(x · W_iᵀ + bias_i), all parts share x. With accumulate, out += instead (the
// residual).
struct GemmArgs {
  const float* x;  // [m, k]
  std::int64_t x_stride;
  int m, k;
  int num_parts;  // 1..4
  GemmPart parts[4];
  Epilogue epilogue;
  bool accumulate;
  Operand x_operand = {};  // with a form: read instead of x
  // With a form: written instead of the only output (one part, or two gated ones; no accumulate).
  // Only products that operand_form() gives a form can write one.
  Operand out_operand = {};
};

struct GatherRowsArgs {  // embedding: out[i] = W[ids[i]] (dequantised)
  const PackedWeight* weight;
  const std::int32_t* ids;  // [count], each in [0, n)
  int count;
  float* out;  // [count, k]
  std::int64_t out_stride;
};

// ---- rows
// ----------------------------------------------------------------------------------------------
struct NormArgs {
  const float* x;  // [rows, width]
  std::int64_t x_stride;
  const float* weight;  // [width]
  const float* bias;    // layer_norm only, or null
  float* out;           // may be x
  std::int64_t out_stride;
  int rows, width;
  float eps;
  float weight_offset;       // added to weight (Gemma's 1 + w); otherwise 0
  Operand out_operand = {};  // with a form: written instead of out
};

struct RopeArgs {         // rotates x in place
  float* x;               // [tokens, heads, head_dim]
  std::int64_t x_stride;  // between tokens
  int tokens, heads, head_dim, rotary_dim;
  bool interleaved;  // pairs (2i, 2i+1) as in GGUF llama; otherwise (i, i + rotary_dim/2)
  const std::int32_t* positions;  // [tokens]
  const float* cosine;            // [max_position, rotary_dim/2]
  const float* sine;
};

struct AddRowsArgs {
  const float* x;
  const float* y;
  float* out;
  int rows, width;
};  // out may alias

// ---- paged KV and attention
// ---------------------------------------------------------------------------- A layer's KV memory
// is an array of blocks of kv_block_bytes(shape) each; what is inside a block (layout of K and V
// for this machine) is the table's own business.
enum class KvKind : std::uint8_t { f32, bf16, i8 };

struct KvShape {
  KvKind kind;
  int block_tokens;  // tokens a block: a multiple of 16
  int kv_heads, head_dim;
};

struct KvStoreArgs {
  KvShape shape;
  const float* k;  // [tokens, kv_heads, head_dim]
  const float* v;
  std::int64_t k_stride, v_stride;  // between tokens
  int tokens;
  const std::int32_t* slots;  // [tokens]: block * block_tokens + offset in block
  void* layer_kv;
};

// Causal attention of `num_seqs` sequences over their blocks. Query rows of sequence s are
// [query_start[s], query_start[s+1]); they are the last of its context_len[s] positions, whose K
// and V (this step's included) are already stored.
struct AttentionArgs {
  KvShape shape;
  const float* q;  // [tokens, heads, head_dim]
  std::int64_t q_stride;
  float* out;  // [tokens, heads, head_dim]
  std::int64_t out_stride;
  const void* layer_kv;
  int num_seqs;
  const std::int32_t* query_start;  // [num_seqs + 1]
  const std::int32_t* context_len;  // [num_seqs]
  const std::int32_t* block_table;  // [num_seqs, block_table_stride] block ids
  int block_table_stride;
  int heads;       // a multiple of kv_heads
  float scale;     // usually 1/sqrt(head_dim)
  float soft_cap;  // 0: none; otherwise cap * tanh(score / cap)
  int window;      // 0: none; otherwise only the last `window` positions
};

// ---- logits
// --------------------------------------------------------------------------------------------
struct RowStats {
  float max;
  int argmax;
  float log_sum_exp;
};  // the lowest index wins a tie; a NaN in the row makes log_sum_exp NaN
struct RowStatsArgs {
  const float* x;
  std::int64_t x_stride;
  int rows, width;
  RowStats* out;
};

// ---- the table
// ----------------------------------------------------------------------------------------- Every
// op is `void op(const ExecView&, const Args&)`. A table starts as a copy of the one below it and
// overrides what its machine does better; reference/ fills every field.
struct Kernels {
  const char* name;  // "reference", "avx2", "avx512", "amx", "neon", "cuda"

  // Bytes pack_weight needs, 0 when the table cannot hold this kind and shape.
  std::size_t (*packed_bytes)(DType kind, int n, int k);
  int pack_row_multiple;  // rows are packed in tiles of this many
  // Fills `out->data` (packed_bytes long, 64-byte aligned, zeroed) for [first_row, first_row +
  // num_rows).
  void (*pack_weight)(const PackArgs& args, PackedWeight* out);

  std::size_t (*gemm_scratch)(const ExecView& exec, const GemmArgs& args);
  void (*gemm)(const ExecView& exec, const GemmArgs& args);
  // The form in which this product would rather read x, or 0: f32. x and outputs are not looked at.
  // A table whose products all read f32 has neither function.
  int (*operand_form)(const ExecView& exec, const GemmArgs& args) = nullptr;
  std::size_t (*operand_bytes)(int rows, int width) = nullptr;  // of any form
  void (*gather_rows)(const ExecView& exec, const GatherRowsArgs& args);

  void (*rms_norm)(const ExecView& exec, const NormArgs& args);
  void (*layer_norm)(const ExecView& exec, const NormArgs& args);
  void (*rope)(const ExecView& exec, const RopeArgs& args);
  void (*add_rows)(const ExecView& exec, const AddRowsArgs& args);

  std::size_t (*kv_block_bytes)(const KvShape& shape);  // one layer, K and V
  void (*kv_store)(const ExecView& exec, const KvStoreArgs& args);
  std::size_t (*attention_scratch)(const ExecView& exec, const AttentionArgs& args);
  void (*attention)(const ExecView& exec, const AttentionArgs& args);

  void (*row_stats)(const ExecView& exec, const RowStatsArgs& args);
};

}  // namespace millrace::kernels
