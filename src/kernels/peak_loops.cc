#include "kernels/peak_loops.h"

#include <cstdint>

namespace millrace::kernels {
namespace {

// Any machine: sixteen independent chains of multiply and add, as the compiler makes them.
double scalar_f32(long rounds) {
  float sum[16] = {};
  float x = 1e-9f;
  asm volatile("" : "+m"(x));
  for (long i = 0; i < rounds; ++i) {
    for (float& s : sum) s = s * x + x;
  }
  for (float& s : sum) asm volatile("" : "+m"(s));  // or nothing of this would be done
  return 32.0 * static_cast<double>(rounds);
}

#if defined(__x86_64__)

// clang-format off
#define MILLRACE_XMM_CLOBBERS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
                              "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc"
// clang-format on

// Twelve chains cover four cycles of latency on three ports. Registers begin as zeros: zeros run at
// full speed, what happens to be in them may not.
double avx2_f32(long rounds) {
  long left = rounds;
  asm volatile(
      ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13\n\t"
      "vxorps %%ymm\\r, %%ymm\\r, %%ymm\\r\n\t"
      ".endr\n"
      "1:\n\t"
      ".irp r,0,1,2,3,4,5,6,7,8,9,10,11\n\t"
      "vfmadd231ps %%ymm12, %%ymm13, %%ymm\\r\n\t"
      ".endr\n\t"
      "dec %0\n\t"
      "jnz 1b\n\t"
      "vzeroupper"
      : "+r"(left)
      :
      : MILLRACE_XMM_CLOBBERS);
  return 12.0 * 16 * static_cast<double>(rounds);
}

// Bytes to pairs, pairs to fours, sums: 32 multiply-adds by three instructions.
double avx2_int8(long rounds) {
  long left = rounds;
  asm volatile(
      ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
      "vpxor %%ymm\\r, %%ymm\\r, %%ymm\\r\n\t"
      ".endr\n"
      "1:\n\t"
      ".irp r,0,1,2,3,4,5\n\t"
      "vpmaddubsw %%ymm12, %%ymm13, %%ymm6\n\t"
      "vpmaddwd %%ymm6, %%ymm14, %%ymm7\n\t"
      "vpaddd %%ymm7, %%ymm\\r, %%ymm\\r\n\t"
      ".endr\n\t"
      "dec %0\n\t"
      "jnz 1b\n\t"
      "vzeroupper"
      : "+r"(left)
      :
      : MILLRACE_XMM_CLOBBERS);
  return 6.0 * 64 * static_cast<double>(rounds);
}

double avx512_f32(long rounds) {
  long left = rounds;
  asm volatile(
      ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13\n\t"
      "vpxorq %%zmm\\r, %%zmm\\r, %%zmm\\r\n\t"
      ".endr\n"
      "1:\n\t"
      ".irp r,0,1,2,3,4,5,6,7,8,9,10,11\n\t"
      "vfmadd231ps %%zmm12, %%zmm13, %%zmm\\r\n\t"
      ".endr\n\t"
      "dec %0\n\t"
      "jnz 1b\n\t"
      "vzeroupper"
      : "+r"(left)
      :
      : MILLRACE_XMM_CLOBBERS);
  return 12.0 * 32 * static_cast<double>(rounds);
}

double avx512_int8(long rounds) {
  long left = rounds;
  asm volatile(
      ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13\n\t"
      "vpxorq %%zmm\\r, %%zmm\\r, %%zmm\\r\n\t"
      ".endr\n"
      "1:\n\t"
      ".irp r,0,1,2,3,4,5,6,7,8,9,10,11\n\t"
      "vpdpbusd %%zmm12, %%zmm13, %%zmm\\r\n\t"
      ".endr\n\t"
      "dec %0\n\t"
      "jnz 1b\n\t"
      "vzeroupper"
      : "+r"(left)
      :
      : MILLRACE_XMM_CLOBBERS);
  return 12.0 * 128 * static_cast<double>(rounds);
}

// Palette 1, all eight tiles 16 rows of 64 bytes. The process has been lent tiles by select.cc.
struct alignas(64) FullTiles {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

double amx_bf16(long rounds) {
  const FullTiles tiles;
  long left = rounds;
  asm volatile(
      "ldtilecfg %1\n\t"
      ".irp r,0,1,2,3,4,5,6,7\n\t"
      "tilezero %%tmm\\r\n\t"
      ".endr\n"
      "1:\n\t"
      "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n\t"
      "tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n\t"
      "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n\t"
      "tdpbf16ps %%tmm7, %%tmm5, %%tmm3\n\t"
      "dec %0\n\t"
      "jnz 1b\n\t"
      "tilerelease"
      : "+r"(left)
      : "m"(tiles)
      : "cc");
  return 4.0 * 16384 * static_cast<double>(rounds);
}

double amx_int8(long rounds) {
  const FullTiles tiles;
  long left = rounds;
  asm volatile(
      "ldtilecfg %1\n\t"
      ".irp r,0,1,2,3,4,5,6,7\n\t"
      "tilezero %%tmm\\r\n\t"
      ".endr\n"
      "1:\n\t"
      "tdpbssd %%tmm6, %%tmm4, %%tmm0\n\t"
      "tdpbssd %%tmm7, %%tmm4, %%tmm1\n\t"
      "tdpbssd %%tmm6, %%tmm5, %%tmm2\n\t"
      "tdpbssd %%tmm7, %%tmm5, %%tmm3\n\t"
      "dec %0\n\t"
      "jnz 1b\n\t"
      "tilerelease"
      : "+r"(left)
      : "m"(tiles)
      : "cc");
  return 4.0 * 32768 * static_cast<double>(rounds);
}

#elif defined(__aarch64__)

// clang-format off
#define MILLRACE_V_CLOBBERS "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", \
                            "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", \
                            "v24", "v25", "cc"
#define MILLRACE_ZERO_ALL_V \
      ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25\n\t" \
      "movi v\\r\\().4s, #0\n\t" \
      ".endr\n"
// clang-format on

// Twenty-four chains cover four cycles of latency on four pipes and more.
double neon_f32(long rounds) {
  long left = rounds;
  asm volatile(MILLRACE_ZERO_ALL_V
               "1:\n\t"
               ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23\n\t"
               "fmla v\\r\\().4s, v24.4s, v25.4s\n\t"
               ".endr\n\t"
               "subs %0, %0, #1\n\t"
               "b.ne 1b"
               : "+r"(left)
               :
               : MILLRACE_V_CLOBBERS);
  return 24.0 * 8 * static_cast<double>(rounds);
}

// Sixteen multiply-adds of bytes an instruction.
[[gnu::target("arch=armv8.2-a+dotprod")]] double neon_int8(long rounds) {
  long left = rounds;
  asm volatile(MILLRACE_ZERO_ALL_V
               "1:\n\t"
               ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23\n\t"
               "sdot v\\r\\().4s, v24.16b, v25.16b\n\t"
               ".endr\n\t"
               "subs %0, %0, #1\n\t"
               "b.ne 1b"
               : "+r"(left)
               :
               : MILLRACE_V_CLOBBERS);
  return 24.0 * 32 * static_cast<double>(rounds);
}

#endif

}  // namespace

PeakLoops peak_loops([[maybe_unused]] std::string_view table_name) {
#if defined(__x86_64__)
  if (table_name == "avx2") return {.f32 = avx2_f32, .bf16 = nullptr, .int8 = avx2_int8};
  if (table_name == "avx512") return {.f32 = avx512_f32, .bf16 = nullptr, .int8 = avx512_int8};
  if (table_name == "amx") return {.f32 = avx512_f32, .bf16 = amx_bf16, .int8 = amx_int8};
#elif defined(__aarch64__)
  if (table_name == "neon") return {.f32 = neon_f32, .bf16 = nullptr, .int8 = neon_int8};
#endif
  return {.f32 = scalar_f32, .bf16 = nullptr, .int8 = nullptr};
}

}  // namespace millrace::kernels
