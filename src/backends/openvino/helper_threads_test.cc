#include "backends/openvino/helper_threads.h"

#include <gtest/gtest.h>

#include <optional>

#include "base/giving_way.h"

#ifdef MILLRACE_HAS_TBB
#include <tbb/parallel_for.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <openvino/op/op.hpp>
#include <openvino/op/parameter.hpp>
#include <thread>

namespace millrace::backends {
namespace {

using std::chrono::milliseconds;

// How many of the threads that share some work give way; done by all that come.
struct Shared {
  std::atomic<int> num_helped = 0, num_gave_way = 0;

  void work() {
    const std::thread::id first = std::this_thread::get_id();
    tbb::parallel_for(0, 64, [&](int) {
      std::this_thread::sleep_for(milliseconds(1));
      if (std::this_thread::get_id() == first) return;
      ++num_helped;
      num_gave_way += GivingWay::gives_way() ? 1 : 0;
    });
  }
};

// An operator that has its work shared.
class SharedOp final : public ov::op::Op {
 public:
  OPENVINO_OP("SharedOp", "millrace")
  SharedOp(const ov::Output<ov::Node>& input, Shared& shared) : Op({input}), shared_(shared) {
    constructor_validate_and_infer_types();
  }
  void validate_and_infer_types() override {
    set_output_type(0, get_input_element_type(0), get_input_partial_shape(0));
  }
  std::shared_ptr<ov::Node> clone_with_new_inputs(const ov::OutputVector& inputs) const override {
    return std::make_shared<SharedOp>(inputs.at(0), shared_);
  }
  bool has_evaluate() const override { return true; }
  bool evaluate(ov::TensorVector& outputs, const ov::TensorVector& inputs) const override {
    shared_.work();
    inputs[0].copy_to(outputs[0]);
    return true;
  }

 private:
  Shared& shared_;
};

const ov::AnyMap kLatency{
    {ov::hint::performance_mode.name(), ov::hint::PerformanceMode::LATENCY},
    {ov::hint::enable_cpu_pinning.name(), false},
    {ov::inference_num_threads.name(), 2},
};

void run(ov::Core& core, Shared& shared) {
  const auto input = std::make_shared<ov::op::v0::Parameter>(ov::element::f32, ov::Shape{1});
  const auto model = std::make_shared<ov::Model>(
      ov::OutputVector{std::make_shared<SharedOp>(input, shared)}, ov::ParameterVector{input});
  ov::InferRequest request = core.compile_model(model, "CPU", kLatency).create_infer_request();
  request.start_async();  // on an inference thread
  request.wait();
}

TEST(HelperThreads, GiveWayForTheModelThatIsLoaded) {
  ov::Core core;
  Shared shared;
  compiled(core, shared)
      .create_infer_request()
      .infer();  // the helpers are there, and give way to nobody
  if (shared.num_helped == 0) GTEST_SKIP() << "no helpers on this machine";
  EXPECT_EQ(shared.num_gave_way, 0);
  std::optional<GivingWay> giving_way(std::in_place, std::chrono::hours(1));
  {
    const HelpersGiveWay helpers_give_way(core, "CPU", kLatency);
    Shared while_loaded;
    run(core, while_loaded);
    EXPECT_EQ(while_loaded.num_gave_way,
              GivingWay::is_possible() ? while_loaded.num_helped.load() : 0);
  }
  giving_way.reset();
  Shared afterwards;
  run(core, afterwards);
  EXPECT_EQ(afterwards.num_gave_way, 0);
}

TEST(HelperThreads, DoNotHelpTheThreadThatLoads) {
  Shared shared;
  without_helpers([&] { shared.work(); });
  EXPECT_EQ(shared.num_helped, 0);
}

}  // namespace
}  // namespace millrace::backends
#endif
