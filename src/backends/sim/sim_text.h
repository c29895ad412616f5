// The text side of a simulated model: a byte-level vocabulary and a plain chat template, so that
// the whole server runs on it.
#pragma once

#include <vector>

#include "servable/description.h"

namespace millrace::backends {

inline constexpr TokenId kSimEndOfText = 256;
inline constexpr int kSimVocabSize = 259;

// Tokens 0..255 are the bytes; then end of text, <|im_start|>, <|im_end|>.
TextAssets sim_text_assets();
// What a simulated model says: lower-case letters and spaces.
std::vector<TokenId> sim_alphabet();

}  // namespace millrace::backends
