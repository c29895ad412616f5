#include "serving/pipeline/pipeline_backend.h"

#include <fmt/format.h>

#include <system_error>
#include <utility>

#include "base/file.h"
#include "serving/pipeline/pipeline_file.h"
#include "serving/pipeline/pipeline_graph.h"
#include "serving/pipeline/pipeline_run.h"

namespace millrace::serving {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{256} << 10;
const std::vector<double> kSeconds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                      0.025,  0.05,    0.1,    0.25,  0.5,    1,     2.5};

class PipelineServable final : public Servable, public TensorModel {
 public:
  PipelineServable(ModelDescription description, int max_concurrency,
                   std::shared_ptr<const PipelineShared> shared)
      : description_(std::move(description)),
        max_concurrency_(max_concurrency),
        shared_(std::move(shared)) {}

  const ModelDescription& describe() const override { return description_; }
  const TextAssets& text_assets() const override { return no_text_; }
  TensorModel* tensor_model() override { return this; }

  void infer(TensorBatch batch, TensorDone on_done) override {
    PipelineRun::start(shared_, std::move(batch), std::move(on_done));
  }
  int max_concurrency() const override { return max_concurrency_; }

 private:
  const ModelDescription description_;
  const TextAssets no_text_;
  const int max_concurrency_;
  const std::shared_ptr<const PipelineShared> shared_;
};

}  // namespace

bool PipelineBackend::recognises(const ModelSpec& spec) const {
  std::error_code error;
  return std::filesystem::is_regular_file(spec.path / kFileName, error);
}

Result<std::unique_ptr<Servable>> PipelineBackend::load(const ModelSpec& spec,
                                                        LoadContext& context) {
  if (!store_) {
    return fail(ErrorKind::unavailable,
                "a pipeline needs the models it names: serve the folder that holds them all");
  }
  const auto text = read_file(spec.path / kFileName, kMaxFileBytes);
  if (!text) return std::unexpected(text.error());
  const auto file = read_pipeline(*text, kFileName);
  if (!file) return std::unexpected(file.error());
  ModelFinder find = [store = store_](std::string_view name, std::string_view version) {
    return store->find(name, version);
  };
  auto graph = build_graph(*file, spec.name, spec.path, find);
  if (!graph) return pass(graph);
  ModelDescription description;
  description.name = spec.name;
  description.backend = name();
  description.family = "pipeline";
  description.weights = fmt::format("{} steps", graph->steps.size());
  description.kernels = "workers";
  description.task = file->task;
  description.inputs = graph->inputs;
  description.outputs = graph->outputs;
  std::vector<HistogramRef> seconds;
  for (const GraphStep& step : graph->steps) {
    seconds.push_back(
        context.metrics.histogram("millrace_pipeline_step_seconds",
                                  "Time of one step of a pipeline, waiting for its model included",
                                  kSeconds, {{"model_name", spec.name}, {"step", step.name}}));
  }
  auto shared =
      std::make_shared<const PipelineShared>(PipelineShared{.graph = *std::move(graph),
                                                            .step_seconds = std::move(seconds),
                                                            .find = std::move(find),
                                                            .workers = *workers_});
  return std::make_unique<PipelineServable>(std::move(description), file->max_concurrent_requests,
                                            std::move(shared));
}

}  // namespace millrace::serving
