// A reference KV block: K then V, each [kv_heads, block_tokens, head_dim] in the kind's element,
// then (i8) the scales of K and of V, each f32 [kv_heads, block_tokens].
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace millrace::kernels::reference {

enum class KvSide : std::uint8_t { k, v };

// Copies the head's vector at `slot` into out[head_dim] as f32.
void kv_load(const KvShape& shape, const void* layer_kv, KvSide side, std::int64_t slot, int head,
             float* out);

}  // namespace millrace::kernels::reference
