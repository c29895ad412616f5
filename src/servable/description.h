// What a model is (for people, limits and metrics) and what a loader is told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "servable/requests.h"
#include "servable/tensor_model.h"

namespace millrace {

// How to load one model. Empty and 0 mean: choose.
struct ModelSpec {
  std::string name;
  std::filesystem::path path;  // a folder or a single file
  std::string cpu_isa;         // kernel table by name
  std::string precision;       // exact | default | fast
  std::string kv_cache_dtype;  // auto | f32 | bf16 | int8
  std::string quantization;    // of float weights: none | int8 | int4 | int4-g32 | -g64 | -g128
  std::int64_t kv_cache_bytes = 0;  // granted by the memory budget
  int max_model_len = 0;
  int max_num_seqs = 0;
  int max_num_batched_tokens = 0;
  int max_num_queued = 0;
  int num_threads = 0;
  int max_batch_size = 0;  // rows that requests to a graph are merged to; 1: never merged
  // Graphs. Whether axis 0 is a batch: auto (tried out) | 0 (it is) | none (it is not).
  std::string batch_axis;
  std::string device;                     // CPU | GPU | NPU | AUTO …
  int num_instances = 0;                  // executions under way at once
  std::string performance_hint;           // auto | latency | throughput
  std::string inference_precision;        // auto | f32 | bf16 | f16
  std::vector<std::string> signatures{};  // of a SavedModel, which to serve; empty: all
  std::filesystem::path cache_dir;        // compiled graphs; empty: none are kept
  bool enable_prefix_caching = true;
  std::map<std::string, std::string> sim;  // cost model of the sim backend
};

// An output that a sequence's next execution gets as an input: the graph's own state, made visible.
struct StatePair {
  std::string input{}, output{};     // names, of ModelDescription::inputs and outputs
  std::vector<std::byte> initial{};  // of one row; empty: zeros
};

// What tf.Examples carry for one input, or for several: a sparse feature is the inputs NAME/indices
// [n, 2], NAME/values [n] and NAME/shape [2], a ragged one NAME/values [n] and NAME/row_splits
// [examples + 1], of each those that the model needs.
struct FeatureSpec {
  enum class Kind : std::uint8_t { dense, sparse, ragged };
  std::string name{};
  Kind kind = Kind::dense;
  DType dtype = DType::f32;  // of its values
  // What stands for it where an example has none, as tensors hold it: of one example, or one
  // element where examples may have any number. Empty: it must be there.
  std::vector<std::byte> default_value{};
  bool any_length = false;  // of dense ones: shorter ones are filled up with the default
};
// Serialised tf.Examples, which a SavedModel's file parses itself. Here whoever asks has to: the
// inputs of the model are the features, or parts of them.
struct ExamplesInput {
  TensorSpec input{};  // of strings, as the file has it
  std::vector<FeatureSpec> features{};
};

struct ModelDescription {
  std::string name;
  std::string backend;  // "native"
  std::string family;   // "llama"
  std::string weights;  // "q4_1"
  std::string task;     // "classify" | "detect": what may be asked of it about pictures; else empty
  std::string kernels;  // "amx"
  std::string signature, signature_method;  // of a SavedModel: "serving_default" and what it is for
  std::int64_t num_parameters = 0;
  std::int64_t weight_bytes = 0;  // resident, after packing
  std::int64_t kv_cache_bytes = 0;
  int kv_block_tokens = 0;
  int max_model_len = 0;  // context: prompt + completion
  int max_num_seqs = 0;
  int vocab_size = 0;
  std::vector<TokenId> eos_token_ids;
  // Models that answer tensor_model().
  std::vector<TensorSpec> inputs, outputs;
  std::optional<ExamplesInput> examples;  // another form of the inputs, all at once
  int max_batch_size = 0;         // rows worth merging along axis 0; 0: axis 0 is not a batch
  std::vector<StatePair> states;  // what is to be carried from one execution to the next
  // generation_config.json: the model's own defaults, used where a request is silent.
  SamplingParams default_sampling;
};

// The text side of a model as found in its files; serving builds tokenizer and template from it.
struct TextAssets {
  std::string tokenizer_json;          // tokenizer.json, whole
  std::string vocab_json, merges_txt;  // GPT-2's pair
  std::string tokenizer_config_json;
  std::string chat_template;  // Jinja source
  // GGUF vocabularies. kind: "gpt2" (byte-level BPE) or "llama" (SentencePiece); empty when not
  // GGUF.
  std::string gguf_kind, gguf_pre;
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<std::int32_t>
      token_types;  // 1 normal 2 unknown 3 control 4 user-defined 5 unused 6 byte
  std::vector<std::string> merges;
  TokenId bos_token = -1, eos_token = -1, unknown_token = -1;
  std::optional<bool> add_bos, add_eos;  // absent: as the vocabulary's kind usually has it
  bool add_space_prefix = true;
};

}  // namespace millrace
