// For tests: a model on a kernel table with paged KV memory, fed in chunks of several sequences as
// an engine would. Blocks are handed out scattered, so that paging matters.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "kernels/select.h"
#include "models/causal_model.h"
#include "models/registry.h"
#include "tensor/buffer.h"
#include "tensor/compute_pool.h"
#include "tensor/exec.h"

namespace millrace::models {

struct RigOptions {
  std::string_view kernels = "reference";
  Precision precision = Precision::exact;
  kernels::KvKind kv_kind = kernels::KvKind::f32;
  int block_tokens = 16;
  int num_blocks = 40;
  int max_tokens = 256;
  int num_threads = 2;
  Quantization quantization = Quantization::none;
};

class ForwardRig {
 public:
  explicit ForwardRig(const RigOptions& options = {});

  // Builds from files; the error of the build, if any.
  Status load(const ModelFiles& files);
  CausalModel& model() { return *model_; }
  kernels::Ops& ops() { return ops_; }

  struct Chunk {
    int sequence = 0;
    std::vector<std::int32_t> tokens;  // these follow what the sequence has so far
    std::vector<int> rows;             // of this chunk, whose logits are wanted
  };
  // One forward pass; the rows' logits, in order.
  std::vector<std::vector<float>> step(const std::vector<Chunk>& chunks);
  void forget(int sequence);  // gives its blocks back

  // The most likely continuation; the sequence is forgotten afterwards.
  std::vector<std::int32_t> greedy(const std::vector<std::int32_t>& prompt, int count);

 private:
  struct Sequence {
    int length = 0;
    std::vector<std::int32_t> blocks;
  };

  const kernels::Kernels& table_;
  RigOptions options_;
  ComputePool pool_;
  Exec exec_;
  kernels::Ops ops_;
  std::unique_ptr<CausalModel> model_;
  std::vector<Buffer> kv_memory_;
  KvCache kv_;
  std::vector<std::int32_t> free_blocks_;
  std::map<int, Sequence> sequences_;
};

std::vector<double> log_softmax(std::span<const float> logits);

}  // namespace millrace::models
