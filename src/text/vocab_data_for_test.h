// For the tests of this layer: real vocabularies from the data folder (MILLRACE_DATA, or
// ../shared/data beside the source tree), read by a minimal GGUF reader that knows only what
// tokenizers need.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace millrace::text::test {

// Nothing where there is no such file: the test should GTEST_SKIP.
std::optional<std::filesystem::path> data_file(const std::string& relative);
// SmolLM2-135M-Instruct as GGUF: MILLRACE_SMOLLM2, or the default model of the source tree.
std::optional<std::filesystem::path> smollm2_file();
std::string read_all(const std::filesystem::path& path);

// The file's tokenizer.ggml.* fields.
VocabTable read_gguf_vocabulary(const std::filesystem::path& path);
// The same shape from Llama 3's encoder.json + vocab.bpe, and from a .tiktoken file (merges found
// by applying the ranks to each token); special tokens behind the others.
VocabTable read_encoder_and_bpe(const std::string& encoder_json, const std::string& vocab_bpe);
VocabTable read_tiktoken(const std::string& text);
// A tokenizer.json without the merges that are not two parts (the data folder's llama2 has three).
std::string without_broken_merges(const std::string& tokenizer_json);
void add_control_token(VocabTable& table, const std::string& content);

// Texts in foreign scripts, code, white space, controls, emoji, long words: seeds for properties.
std::vector<std::string> varied_texts();
// Deterministic noise of valid UTF-8 from all planes, with runs.
std::string random_text(unsigned seed, std::size_t num_chars);

}  // namespace millrace::text::test
