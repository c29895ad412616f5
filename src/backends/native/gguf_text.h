// The vocabulary, special tokens and chat template of a GGUF file.
#pragma once

#include <vector>

#include "servable/description.h"
#include "weights/weight_file.h"

namespace millrace::backends {

// Fills the gguf_* fields, tokens, scores, types, merges, special ids and chat_template. Arrays
// that disagree in length are an error; a file without a vocabulary is not (gguf_kind stays empty).
void read_gguf_text(const weights::WeightFile& file, TextAssets& out);

// Control tokens of a GGUF vocabulary that end a turn or a document, by their usual names.
std::vector<TokenId> gguf_end_of_turn_ids(const TextAssets& text);

}  // namespace millrace::backends
