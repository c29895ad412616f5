// One PyTorch program behind TensorModel: a queue, and a few threads that run it.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "backends/torch/torch_program.h"
#include "servable/servable.h"

namespace millrace::backends {

// How many executions at once, and with how many threads each.
struct TorchThreads {
  int num_instances = 1;
  int per_instance = 1;
};

class TorchModel final : public Servable, public TensorModel {
 public:
  // The description's inputs are what the program takes, its outputs what it answers.
  TorchModel(const TorchLibrary& library, std::shared_ptr<const TorchProgram> program,
             ModelDescription description, TorchThreads threads);
  // Ends what waits with `unavailable`, and waits for what runs. Results that are still held stay
  // valid.
  ~TorchModel() override;

  const ModelDescription& describe() const override { return description_; }
  const TextAssets& text_assets() const override { return text_; }
  TensorModel* tensor_model() override { return this; }

  void infer(TensorBatch batch, TensorDone on_done) override;
  int max_concurrency() const override { return static_cast<int>(workers_.size()); }

 private:
  struct Job {
    TensorBatch batch;
    TensorDone on_done;
  };

  void work();
  Result<TensorResult> run(const TensorBatch& batch) const;
  Error error_of(const Error& reason) const;

  const TorchLibrary& library_;
  const std::shared_ptr<const TorchProgram> program_;
  const ModelDescription description_;
  const TextAssets text_;
  const TorchThreads threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> waiting_;
  bool closed_ = false;
  std::vector<std::thread> workers_;  // last: they use the rest
};

}  // namespace millrace::backends
