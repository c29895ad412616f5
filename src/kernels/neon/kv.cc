#include "kernels/neon/kv_layout.h"
#include "kernels/neon/table.h"

namespace millrace::kernels::neon {
namespace {

// To nearest even; NaN stays NaN. Low half of each 32-bit lane.
MILLRACE_INLINE uint32x4_t to_bf16(float32x4_t value) {
  const uint32x4_t bits = vreinterpretq_u32_f32(value);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vshrq_n_u32(vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff))), 16);
  const uint32x4_t quiet = vorrq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(0x40));
  return vbslq_u32(vceqq_f32(value, value), rounded, quiet);
}

// NaN where one is NaN: as a scale it then shows, which the bytes could not.
MILLRACE_INLINE float largest_magnitude(const float* x, int width) {
  float32x4_t top = vdupq_n_f32(0.0f);
  for (int i = 0; i < width; i += kLanes) {
    top = vmaxq_f32(top, vabsq_f32(load_first(x + i, width - i)));
  }
  return vmaxvq_f32(top);
}

// Four elements of a head as the kind keeps them, in the low bytes of 32-bit lanes.
MILLRACE_INLINE uint32x4_t encode(KvKind kind, float32x4_t value, float inverse) {
  if (kind == KvKind::f32) return vreinterpretq_u32_f32(value);
  if (kind == KvKind::bf16) return to_bf16(value);
  return vreinterpretq_u32_s32(vcvtnq_s32_f32(vmulq_n_f32(value, inverse)));
}

// Writes lane i's low `element` bytes at to + i · step, for `count` lanes.
MILLRACE_INLINE void scatter(uint8_t* to, size_t step, size_t element, uint32x4_t lanes,
                             int count) {
  uint32_t values[kLanes];
  vst1q_u32(values, lanes);
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
  uint8_t* k_to = block + layout.k_at(head, 0, token);
  uint8_t* v_to = block + layout.v_at(head, token);
  const int v_width = static_cast<int>(layout.v_width);
  for (int i = 0; i < v_width; i += kLanes) {
    const int count = width - i;
    const auto dim = static_cast<size_t>(i);
    const size_t k_step = layout.tokens * layout.element;
    if (count > 0) {
      scatter(k_to + dim * k_step, k_step, layout.element,
              encode(kind, load_first(k + i, count), k_inverse), smaller(kLanes, count));
    }
    scatter(v_to + dim * layout.element, layout.element, layout.element,
            encode(kind, load_first(v + i, count), v_inverse), kLanes);
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

}  // namespace millrace::kernels::neon
