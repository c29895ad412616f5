#include "backends/openvino/helper_threads.h"

#ifdef MILLRACE_HAS_TBB
#include <tbb/task_scheduler_observer.h>
#endif

#include <unistd.h>

#include <exception>
#include <functional>
#include <openvino/op/op.hpp>
#include <openvino/op/parameter.hpp>

#include "base/giving_way.h"
#include "base/log.h"

namespace millrace::backends {

#ifdef MILLRACE_HAS_TBB

// Of the threads that come to work in the arena of the thread that starts it.
class HelpersGiveWay::Observer final : public tbb::task_scheduler_observer {
 public:
  ~Observer() override { observe(false); }
  void on_scheduler_entry(bool is_worker) override {
    if (is_worker && GivingWay::gives_way(loader_)) GivingWay::set_this_thread(true);
  }
  void on_scheduler_exit(bool is_worker) override {
    if (is_worker && GivingWay::gives_way()) GivingWay::set_this_thread(false);
  }

 private:
  const int loader_ = gettid();
};

namespace {

// Calls back where the runtime computes it: on an inference thread.
class CallsBack final : public ov::op::Op {
 public:
  OPENVINO_OP("CallsBack", "millrace")
  CallsBack(const ov::Output<ov::Node>& input, std::function<void()> call)
      : Op({input}), call_(std::move(call)) {
    constructor_validate_and_infer_types();
  }
  void validate_and_infer_types() override {
    set_output_type(0, get_input_element_type(0), get_input_partial_shape(0));
  }
  std::shared_ptr<ov::Node> clone_with_new_inputs(const ov::OutputVector& inputs) const override {
    return std::make_shared<CallsBack>(inputs.at(0), call_);
  }
  bool has_evaluate() const override { return true; }
  bool evaluate(ov::TensorVector& outputs, const ov::TensorVector& inputs) const override {
    call_();
    inputs[0].copy_to(outputs[0]);
    return true;
  }

 private:
  const std::function<void()> call_;
};

// Inference threads that are idle are lent to the next model of the same settings, and the arena in
// which helpers join them comes with them.
void call_on_inference_thread(ov::Core& core, const std::string& device, ov::AnyMap settings,
                              const std::function<void()>& call) {
  settings.erase(ov::cache_dir.name());
  const auto input = std::make_shared<ov::op::v0::Parameter>(ov::element::f32, ov::Shape{1});
  const auto model = std::make_shared<ov::Model>(
      ov::OutputVector{std::make_shared<CallsBack>(input, call)}, ov::ParameterVector{input});
  ov::InferRequest request = core.compile_model(model, device, settings).create_infer_request();
  request.start_async();  // infer() would take the calling thread
  request.wait();
}

}  // namespace

HelpersGiveWay::HelpersGiveWay(ov::Core& core, const std::string& device, ov::AnyMap settings) {
  if (device != "CPU" || !GivingWay::gives_way()) return;
  observer_ = std::make_unique<Observer>();
  try {
    call_on_inference_thread(core, device, std::move(settings), [this] { observer_->observe(); });
  } catch (const std::exception& e) {
    log_debug("the runtime's helper threads do not give way: {}", e.what());
  }
}
#else
class HelpersGiveWay::Observer {};
HelpersGiveWay::HelpersGiveWay(ov::Core&, const std::string&, ov::AnyMap) {}
#endif

HelpersGiveWay::~HelpersGiveWay() = default;

}  // namespace millrace::backends
