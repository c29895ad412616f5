// Source rows to panels (panel.h).
#include <string.h>

#include "kernels/avx512/ops.h"
#include "kernels/avx512/panel.h"
#include "kernels/avx512/turn.h"

namespace millrace::kernels {
namespace {

// ---- plain kinds

// Element (row, c) of the source goes to column c of lane `row % 16`.
template <class T>
void pack_plain_row(const PackArgs& args, int row, uint8_t* panel, int interleave) {
  const auto* source = static_cast<const uint8_t*>(args.source);
  const int lane = row % kPanelRows;
  for (int c = 0; c < args.k; ++c) {
    const uint8_t* from =
        args.transposed ? source + c * args.source_row_bytes + static_cast<size_t>(row) * sizeof(T)
                        : source + row * args.source_row_bytes + static_cast<size_t>(c) * sizeof(T);
    const int vector = c / interleave;
    const size_t element =
        static_cast<size_t>((vector * kPanelRows + lane) * interleave + c % interleave);
    memcpy(panel + element * sizeof(T), from, sizeof(T));
  }
}

// ---- codes

struct CodeBlock {
  uint8_t codes[kBlock];
};

// 16 bytes: element i in the low nibble of byte i, element i + 16 in the high one.
void split_nibbles(const uint8_t* from, uint8_t* codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = from[i] & 0xf;
    codes[i + 16] = from[i] >> 4;
  }
}

void add_fifth_bits(const uint8_t* bits, uint8_t* codes) {
  uint32_t high;
  memcpy(&high, bits, sizeof high);
  for (int i = 0; i < kBlock; ++i) {
    codes[i] = static_cast<uint8_t>(codes[i] | (high >> i & 1u) << 4);
  }
}

// Codes of elements [32 b, 32 b + 32) of a source row.
template <DType kind>
CodeBlock block_codes(const uint8_t* row, int b) {
  CodeBlock out;
  uint8_t* codes = out.codes;
  constexpr bool is_super = kind == DType::q4_k || kind == DType::q5_k || kind == DType::q6_k;
  constexpr int span = is_super ? 8 : static_cast<int>(kBlocksAScale<kind>);
  const uint8_t* block = row + static_cast<size_t>(b / span) * kSourceBytes<kind>;
  const int sub = b % 8;
  if constexpr (kind == DType::q4_0) {
    split_nibbles(block + 2, codes);
  } else if constexpr (kind == DType::q4_1 || kind == DType::q4_g64 || kind == DType::q4_g128) {
    split_nibbles(block + 4 + 16 * (b % span), codes);
  } else if constexpr (kind == DType::q5_0) {
    split_nibbles(block + 6, codes);
    add_fifth_bits(block + 2, codes);
  } else if constexpr (kind == DType::q5_1) {
    split_nibbles(block + 8, codes);
    add_fifth_bits(block + 4, codes);
  } else if constexpr (kind == DType::q4_k || kind == DType::q5_k) {
    const uint8_t* q = block + (kind == DType::q4_k ? 16 : 48) + 32 * (sub / 2);
    for (int i = 0; i < kBlock; ++i) {
      int code = sub % 2 == 0 ? q[i] & 0xf : q[i] >> 4;
      if (kind == DType::q5_k) code |= (block[16 + i] >> sub & 1) << 4;
      codes[i] = static_cast<uint8_t>(code);
    }
  } else if constexpr (kind == DType::q6_k) {
    const int half = sub / 4, run = sub % 4;
    const uint8_t* low = block + 64 * half + 32 * (run % 2);
    const uint8_t* high = block + 128 + 32 * half;
    for (int i = 0; i < kBlock; ++i) {
      const int nibble = run < 2 ? low[i] & 0xf : low[i] >> 4;
      codes[i] = static_cast<uint8_t>(nibble | (high[i] >> (2 * run) & 3) << 4);
    }
  } else {  // i8, q8_0: signed bytes
    const uint8_t* q = block + (kind == DType::q8_0 ? 2 : 0);
    for (int i = 0; i < kBlock; ++i) codes[i] = q[i] ^ 0x80;
  }
  return out;
}

// Writes the codes of block b of lane `lane` into the panel.
template <Values values>
void put_codes(const CodeBlock& block, uint8_t* panel, int b, int lane) {
  const uint8_t* codes = block.codes;
  if constexpr (values == Values::u8) {
    uint8_t* to = panel + static_cast<size_t>(b) * 512 + 4 * lane;
    for (int r = 0; r < 8; ++r) memcpy(to + 64 * r, codes + 4 * r, 4);
  } else if constexpr (values == Values::u4) {
    uint8_t* to = panel + static_cast<size_t>(b) * 256 + 4 * lane;
    for (int r = 0; r < 4; ++r) {
      for (int j = 0; j < 4; ++j) {
        to[64 * r + j] = static_cast<uint8_t>(codes[4 * r + j] | codes[4 * r + 16 + j] << 4);
      }
    }
  } else {
    constexpr bool five = values == Values::u5;
    constexpr int quads = five ? 8 : 4;  // to a run of vectors
    uint8_t* to = panel + static_cast<size_t>(b) * kTileBytes<values> / 2 + 4 * lane;
    for (int i = 0; i < kBlock; ++i) {
      const int quad = i / 4 % quads;
      uint8_t* run = to + (five ? 0 : 192 * (i / 16)) + i % 4;
      five ? add_five(run, quad, codes[i]) : add_six(run, quad, codes[i]);
    }
  }
}

template <DType kind>
void put_scales(const PackArgs& args, const uint8_t* row_data, int row, uint8_t* scales) {
  constexpr Scales form = Traits<kind>::scales;
  const int lane = row % kPanelRows;
  if constexpr (form == Scales::row) {
    memcpy(scales + 4 * lane, args.scales + row, 4);
    return;
  }
  constexpr size_t span =
      form == Scales::k || form == Scales::k6 ? kSuperBlock : kBlock * kBlocksAScale<kind>;
  const int num_blocks = args.k / static_cast<int>(span);
  for (int b = 0; b < num_blocks; ++b) {
    const uint8_t* block = row_data + static_cast<size_t>(b) * kSourceBytes<kind>;
    const auto at = static_cast<size_t>(b);
    if constexpr (form == Scales::d) {
      memcpy(scales + 32 * at + 2 * lane, block, 2);
    } else if constexpr (form == Scales::dm) {
      memcpy(scales + 64 * at + 2 * lane, block, 2);
      memcpy(scales + 64 * at + 32 + 2 * lane, block + 2, 2);
    } else if constexpr (form == Scales::k) {
      uint8_t* super = scales + at * kSuperScaleBytes;
      const uint8_t* packed = block + 4;
      for (int j = 0; j < 8; ++j) {
        const int scale =
            j < 4 ? packed[j] & 63 : (packed[j + 4] & 0xf) | (packed[j - 4] >> 6) << 4;
        const int min = j < 4 ? packed[j + 4] & 63 : packed[j + 4] >> 4 | (packed[j] >> 6) << 4;
        super[16 * j + lane] = static_cast<uint8_t>(scale);
        super[128 + 16 * j + lane] = static_cast<uint8_t>(min);
      }
      memcpy(super + 256 + 2 * lane, block, 2);
      uint8_t* least = super + 288 + 2 * lane;
      least[0] = block[2];
      least[1] = block[3] ^ 0x80;  // what is added is -dmin·min
    } else if constexpr (form == Scales::k6) {
      uint8_t* super = scales + at * kSuperScaleBytes;
      for (int j = 0; j < 16; ++j) super[16 * j + lane] = block[192 + j];
      memcpy(super + 256 + 2 * lane, block + 208, 2);
    }
  }
}

template <DType kind>
void pack_code_row(const PackArgs& args, int row, uint8_t* panel) {
  const uint8_t* row_data = static_cast<const uint8_t*>(args.source) + row * args.source_row_bytes;
  const int whole = args.k / kBlock;
  for (int b = 0; b < whole; ++b) {
    put_codes<Traits<kind>::values>(block_codes<kind>(row_data, b), panel, b, row % kPanelRows);
  }
  if constexpr (kind == DType::i8) {
    uint8_t last[kBlock] = {};
    memcpy(last, row_data + static_cast<size_t>(whole) * kBlock,
           static_cast<size_t>(args.k % kBlock));
    if (args.k % kBlock != 0) {
      put_codes<Values::u8>(block_codes<kind>(last, 0), panel, whole, row % kPanelRows);
    }
  }
  put_scales<kind>(args, row_data, row, panel + values_bytes<kind>(args.k));
}

// ---- whole panels (turn.h)

// The panel of rows [row, row + 16).
template <DType kind>
void turn_panel(const PackArgs& args, int row, uint8_t* panel) {
  const auto* rows = static_cast<const uint8_t*>(args.source) + row * args.source_row_bytes;
  for (int b = 0; b < args.k / kTurnedK<kind>; ++b) {
    turn_block<kind>(rows, args.source_row_bytes, static_cast<size_t>(b), panel);
  }
  if constexpr (Traits<kind>::values != Values::pair) {
    for (int r = 0; r < kPanelRows; ++r) {
      put_scales<kind>(args, rows + r * args.source_row_bytes, row + r,
                       panel + values_bytes<kind>(args.k));
    }
  }
}

template <DType kind>
void pack_row(const PackArgs& args, int row, uint8_t* panel) {
  if constexpr (kind == DType::f32) {
    pack_plain_row<float>(args, row, panel, 1);
  } else if constexpr (Traits<kind>::values == Values::pair) {
    pack_plain_row<uint16_t>(args, row, panel, 2);
  } else {
    pack_code_row<kind>(args, row, panel);
  }
}

template <DType kind>
void pack_rows(const PackArgs& args, PackedWeight* out) {
  const int end = args.first_row + args.num_rows;
  for (int row = args.first_row; row < end;) {
    uint8_t* panel = static_cast<uint8_t*>(out->data) +
                     static_cast<size_t>(row / kPanelRows) * panel_bytes<kind>(args.k);
    if constexpr (kTurns<kind>) {
      const bool whole = row % kPanelRows == 0 && row + kPanelRows <= end;
      if (whole && !args.transposed && args.k % kBlock == 0) {
        turn_panel<kind>(args, row, panel);
        row += kPanelRows;
        continue;
      }
    }
    pack_row<kind>(args, row++, panel);
  }
}

size_t block_elements(DType kind) {
  switch (kind) {
    case DType::f32:
    case DType::f16:
    case DType::bf16:
    case DType::i8:
      return 1;
    case DType::q4_k:
    case DType::q5_k:
    case DType::q6_k:
      return kSuperBlock;
    case DType::q4_g64:
      return 2 * kBlock;
    case DType::q4_g128:
      return 4 * kBlock;
    case DType::q4_0:
    case DType::q4_1:
    case DType::q5_0:
    case DType::q5_1:
    case DType::q8_0:
      return kBlock;
    default:
      return 0;
  }
}

}  // namespace

namespace avx512 {

size_t packed_bytes(DType kind, int n, int k) {
  const size_t elements = block_elements(kind);
  if (elements == 0 || static_cast<size_t>(k) % elements != 0) return 0;
  return with_kind(kind, [&]<DType which>() {
    return static_cast<size_t>(num_panels(n)) * panel_bytes<which>(k);
  });
}

void pack_weight(const PackArgs& args, PackedWeight* out) {
  with_kind(args.kind, [&]<DType kind>() { pack_rows<kind>(args, out); });
}

}  // namespace avx512
}  // namespace millrace::kernels
