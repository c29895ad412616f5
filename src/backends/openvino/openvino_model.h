// One compiled graph: a pool of OpenVINO's infer requests behind TensorModel.
#pragma once

#include <cstdint>
#include <memory>
#include <openvino/openvino.hpp>
#include <string>
#include <vector>

#include "servable/servable.h"

namespace millrace::backends {

class ShortRuns;
class StringCodes;

struct CompiledGraph {
  ov::CompiledModel model;
  bool has_open_sizes = true;  // anywhere in the graph: sizes come with inputs, or with values
};
// Throws what the runtime throws.
CompiledGraph compile(ov::Core& core, const std::shared_ptr<ov::Model>& graph,
                      const std::string& device, const ov::AnyMap& settings = {});

class OpenvinoModel final : public Servable, public TensorModel {
 public:
  // The description's inputs and outputs are the compiled model's, in its order. `runtime`: what
  // compiled it; lives as long as the model. `strings`: where numbers stand for strings in the
  // graph, which the description has as strings; else null.
  OpenvinoModel(std::shared_ptr<ov::Core> runtime, CompiledGraph compiled,
                ModelDescription description, std::shared_ptr<const StringCodes> strings = nullptr);
  // The same graph once more, compiled to run executions of one row (where it is batchable) side by
  // side. Before the first infer.
  void add_company(CompiledGraph compiled);
  // Likewise for what is over sooner than threads could be woken for it: one thread, the caller's,
  // and one row where it is batchable. Before the first infer.
  void add_short(CompiledGraph compiled);
  // Ends what runs with `unavailable` and waits for it. Results that are still held stay valid.
  ~OpenvinoModel() override;

  const ModelDescription& describe() const override { return description_; }
  const TextAssets& text_assets() const override { return text_; }
  TensorModel* tensor_model() override { return this; }
  std::vector<std::unique_ptr<Servable>> take_signatures() override;
  void add_signature(std::unique_ptr<Servable> signature);

  void infer(TensorBatch batch, TensorDone on_done) override;
  int max_concurrency() const override { return max_concurrency_; }
  int max_in_company() const override { return max_in_company_; }
  bool is_instant(std::size_t input_bytes) const override;

 private:
  class Pool;
  std::shared_ptr<Pool> make_pool(CompiledGraph compiled, int num_running);
  // The runtime packs the weights for each compiled graph.
  void count_weights_again() { description_.weight_bytes += graph_weight_bytes_; }
  const std::shared_ptr<ov::Core> runtime_;
  ModelDescription description_;
  const std::int64_t graph_weight_bytes_;
  const TextAssets text_;
  const std::shared_ptr<const StringCodes> strings_;
  bool has_feature_parts_ = false;
  int max_concurrency_ = 1;
  int max_in_company_ = 0;
  const std::shared_ptr<ShortRuns> short_runs_;
  std::shared_ptr<Pool> pool_;
  std::shared_ptr<Pool> company_;  // null: there is none
  std::shared_ptr<Pool> short_;    // likewise
  std::vector<std::unique_ptr<Servable>> signatures_;
};

}  // namespace millrace::backends
