// PipelineGraph: a pipeline that was found sound: every name resolved, steps in an order in which
// they can run, types checked as far as they are known. Immutable; shared by all requests.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serving/model_store.h"
#include "serving/pipeline/pipeline_file.h"
#include "serving/pipeline/step.h"

namespace millrace::serving {

// As ModelStore::find.
// An empty version is the one that a request without a version gets.
using ModelFinder =
    std::function<Result<ModelHandle>(std::string_view name, std::string_view version)>;

// What a model looked like when the pipeline was loaded.
struct GraphModel {
  std::string name{}, version{};  // version empty: the one that serves
  std::vector<TensorSpec> inputs{}, outputs{};
  int max_rows = 0;         // merged and split along axis 0 up to this; 0: axis 0 is no batch
  bool row_by_row = false;  // takes one row, gets as many as there are

  bool same_as(const ModelDescription& now) const;
};

using ValueId = int;  // index into PipelineGraph::values
inline constexpr ValueId kNoValue = -1;

struct GraphValue {
  std::string name{};  // "crop.images", for errors
  ValueType type{};
  std::vector<int> readers{};  // steps, each once
  bool is_output = false;
};

struct GraphStep {
  std::string name{};
  std::unique_ptr<Step> step{};       // or
  std::optional<GraphModel> model{};  // inputs in the order of its specs
  std::vector<ValueId> inputs{};      // kNoValue: not connected
  ValueId first_output = 0;
  int num_outputs = 0;
  std::optional<Condition> when{};
  ValueId when_value = kNoValue;
  std::vector<ValueId>
      otherwise{};  // an output's value where `when` does not hold; kNoValue: empty
  std::vector<ValueId> waits_for{};  // all of the above, each once
};

struct PipelineGraph {
  std::vector<TensorSpec> inputs{}, outputs{};
  std::vector<GraphValue> values{};  // those of the inputs first
  std::vector<GraphStep> steps{};
  std::vector<ValueId> output_values{};
  std::int64_t max_request_bytes = 0;
};

// Errors have the codes kWaitsForModel and kNeedsModel where a model is not there yet. `folder`:
// where the pipeline's further files lie. `self`: the pipeline's own name.
Result<PipelineGraph> build_graph(const PipelineFile& file, std::string_view self,
                                  const std::filesystem::path& folder, const ModelFinder& find);

}  // namespace millrace::serving
