#include "backends/openvino/openvino_model.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "backends/openvino/feature_checks.h"
#include "backends/openvino/ov_strings.h"
#include "backends/openvino/ov_types.h"
#include "backends/short_runs.h"
#include "base/clock.h"
#include "base/log.h"

namespace millrace::backends {
namespace {

std::int64_t ns_between(TimePoint from, TimePoint to) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count();
}

ov::Shape shape_of(const Shape& shape) {
  return {shape.dims().begin(), shape.dims().end()};
}

Shape shape_of(const ov::Shape& dims) {
  if (dims.size() > static_cast<std::size_t>(kMaxRank)) {
    throw std::length_error("an output has more dimensions than are served");
  }
  std::array<std::int64_t, kMaxRank> wide{};
  std::ranges::copy(dims, wide.begin());
  return Shape(std::span(wide).first(dims.size()));
}

// Up to here copying is sooner done than telling the runtime of another address.
constexpr std::size_t kMostCopiedBytes = std::size_t{16} << 10;

// To be lent to the runtime as it is: large, one piece, aligned for its elements.
bool is_lent(const InputTensor& input, const ov::element::Type& type) {
  if (type == ov::element::string || input.parts.size() != 1 ||
      input.parts[0].size() <= kMostCopiedBytes) {
    return false;
  }
  return reinterpret_cast<std::uintptr_t>(input.parts[0].data()) % type.size() == 0;
}

}  // namespace

// Infer requests that are idle, running, or held by a result. A request that comes back is used
// again, so its memory is allocated once.
class OpenvinoModel::Pool : public std::enable_shared_from_this<Pool> {
 public:
  Pool(CompiledGraph compiled, std::vector<DType> input_types, bool open_shapes,
       std::size_t num_kept, std::shared_ptr<ShortRuns> short_runs,
       std::shared_ptr<const StringCodes> strings)
      : compiled_(std::move(compiled.model)),
        may_be_cancelled_(!compiled.has_open_sizes),
        input_types_(std::move(input_types)),
        open_shapes_(open_shapes),
        num_kept_(num_kept),
        short_runs_(std::move(short_runs)),
        strings_(std::move(strings)) {}

  void infer(TensorBatch batch, bool here, TensorDone on_done);
  void close();

 private:
  struct OwnInput {
    ov::Tensor tensor;
    Shape shape;
    bool in_use = false;  // the request reads it
  };
  struct Slot {
    ov::InferRequest request;
    std::vector<OwnInput> inputs;  // for what is not lent
    std::optional<CodedStrings> strings;
    std::vector<std::vector<std::byte>> texts;  // outputs of strings
    TensorBatch batch;                          // the running execution
    TensorDone on_done;
    std::optional<std::stop_callback<std::function<void()>>> on_stop;
    std::int64_t input_ns = 0;
    bool runs_here = false;
    TimePoint started{}, ended{};
  };

  std::unique_ptr<Slot> take();
  void give_back(std::unique_ptr<Slot> slot);
  Status set_inputs(Slot& slot);
  bool fill(Slot& slot, std::size_t index, ov::Tensor& tensor) const;
  void run_here(std::unique_ptr<Slot> slot);
  void run_elsewhere(std::unique_ptr<Slot> slot);
  void finished(Slot* running, std::exception_ptr failure);
  TensorResult result_of(Slot& slot);
  OutputTensor output_of(Slot& slot, std::size_t index) const;
  Error error_of(std::exception_ptr failure);
  static void end(std::unique_ptr<Slot> slot, Result<TensorResult> result);

  ov::CompiledModel compiled_;
  // Where sizes are open a cancelled execution leaves nodes with its shapes but without the note of
  // what those were inferred from, and a later one with other shapes takes them for its own
  // (OpenVINO 2026.4, CPU). So it runs to its end.
  const bool may_be_cancelled_;
  const std::vector<DType> input_types_;
  const bool open_shapes_;  // the spec leaves sizes open beside the batch
  const std::size_t num_kept_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  std::deque<std::unique_ptr<Slot>> idle_;
  std::vector<Slot*> running_;
  bool closed_ = false;
  const std::shared_ptr<ShortRuns> short_runs_;
  const std::shared_ptr<const StringCodes> strings_;  // null: the graph has none that are coded
};

// Also frees what a burst has left behind. On a caller's thread: a request that is destroyed waits
// for its own callback, so it must not happen in one.
std::unique_ptr<OpenvinoModel::Pool::Slot> OpenvinoModel::Pool::take() {
  std::vector<std::unique_ptr<Slot>> surplus;
  {
    std::lock_guard lock(mutex_);
    while (idle_.size() > num_kept_) {
      surplus.push_back(std::move(idle_.front()));
      idle_.pop_front();
    }
    if (!idle_.empty()) {
      auto slot = std::move(idle_.back());
      idle_.pop_back();
      return slot;
    }
  }
  auto slot = std::make_unique<Slot>();
  slot->request = compiled_.create_infer_request();
  slot->inputs.resize(input_types_.size());
  if (strings_) slot->strings.emplace(*strings_);
  return slot;
}

void OpenvinoModel::Pool::give_back(std::unique_ptr<Slot> slot) {
  slot->batch = {};
  slot->texts.clear();
  std::lock_guard lock(mutex_);
  if (!closed_) idle_.push_back(std::move(slot));
}

void OpenvinoModel::Pool::end(std::unique_ptr<Slot> slot, Result<TensorResult> result) {
  TensorDone on_done = std::move(slot->on_done);
  slot.reset();
  on_done(std::move(result));
}

// The bytes of an input that is not lent.
bool OpenvinoModel::Pool::fill(Slot& slot, std::size_t index, ov::Tensor& tensor) const {
  const InputTensor& input = slot.batch.inputs[index];
  if (!strings_ || !strings_->is_input(index)) return copy_in(input, tensor);
  return slot.strings->encode(input, {tensor.data<std::int32_t>(), tensor.get_size()});
}

Status OpenvinoModel::Pool::set_inputs(Slot& slot) {
  if (slot.strings) slot.strings->clear();
  for (std::size_t i = 0; i < slot.batch.inputs.size(); ++i) {
    const InputTensor& input = slot.batch.inputs[i];
    const bool is_coded = strings_ && strings_->is_input(i);
    const ov::element::Type type = is_coded ? ov::element::i32 : element_type_of(input_types_[i]);
    OwnInput& own = slot.inputs[i];
    if (!is_coded && is_lent(input, type)) {
      own.in_use = false;
      slot.request.set_input_tensor(i, ov::Tensor(type, shape_of(input.shape),
                                                  static_cast<const void*>(input.parts[0].data())));
      continue;
    }
    if (!own.tensor || own.shape != input.shape) {
      own = {.tensor = ov::Tensor(type, shape_of(input.shape)), .shape = input.shape};
    }
    if (!fill(slot, i, own.tensor)) {
      return invalid("an input's bytes are not what its shape says");
    }
    if (!std::exchange(own.in_use, true)) slot.request.set_input_tensor(i, own.tensor);
  }
  return {};
}

// `here`: on the caller's thread.
void OpenvinoModel::Pool::infer(TensorBatch batch, bool here, TensorDone on_done) {
  if (batch.stop.stop_requested()) {
    return on_done(fail(ErrorKind::cancelled, "the request was cancelled"));
  }
  const TimePoint began = Clock::now();
  std::unique_ptr<Slot> slot;
  try {
    slot = take();
    slot->batch = std::move(batch);
    slot->on_done = std::move(on_done);
    if (Status set = set_inputs(*slot); !set) return end(std::move(slot), pass(set));
  } catch (...) {
    Error error = error_of(std::current_exception());
    if (!slot) return on_done(std::unexpected(std::move(error)));
    return end(std::move(slot), std::unexpected(std::move(error)));
  }
  slot->started = Clock::now();
  slot->input_ns = ns_between(began, slot->started);
  slot->runs_here = here;
  slot->runs_here ? run_here(std::move(slot)) : run_elsewhere(std::move(slot));
}

// Not cancelled: it is over sooner than that would take.
void OpenvinoModel::Pool::run_here(std::unique_ptr<Slot> slot) {
  const std::size_t bytes = bytes_of(slot->batch.inputs);
  Slot* raw = slot.release();
  {
    std::lock_guard lock(mutex_);
    running_.push_back(raw);
  }
  std::exception_ptr failure;
  try {
    raw->request.infer();
  } catch (...) {
    failure = std::current_exception();
  }
  raw->ended = Clock::now();
  short_runs_->ran_here(bytes, ns_between(raw->started, raw->ended));
  finished(raw, failure);
}

void OpenvinoModel::Pool::run_elsewhere(std::unique_ptr<Slot> slot) {
  if (may_be_cancelled_) {
    slot->on_stop.emplace(slot->batch.stop,
                          [request = slot->request]() mutable { request.cancel(); });
  }
  Slot* raw = slot.release();  // the callback's from here
  {
    std::lock_guard lock(mutex_);
    running_.push_back(raw);
  }
  try {
    // Each time: the runtime takes the callback away while it calls it.
    raw->request.set_callback([this, raw](std::exception_ptr failure) { finished(raw, failure); });
    raw->request.start_async();
  } catch (...) {
    finished(raw, std::current_exception());
  }
}

// On the runtime's thread, or the caller's where it was short.
void OpenvinoModel::Pool::finished(Slot* running, std::exception_ptr failure) {
  running->on_stop.reset();  // waits for a cancel under way
  const bool was_stopped = running->batch.stop.stop_requested();
  TensorDone on_done = std::move(running->on_done);
  Result<TensorResult> result;
  try {
    if (failure) std::rethrow_exception(failure);
    result = result_of(*running);
  } catch (...) {
    Error error = error_of(std::current_exception());
    if (was_stopped) error = {.kind = ErrorKind::cancelled, .message = "the request was cancelled"};
    running->batch = {};
    running->texts.clear();
    std::lock_guard lock(mutex_);
    if (closed_) error = {.kind = ErrorKind::unavailable, .message = "the model was unloaded"};
    idle_.emplace_back(running);
    result = std::unexpected(std::move(error));
  }
  on_done(std::move(result));
  on_done = nullptr;
  std::lock_guard lock(mutex_);
  running_.erase(std::ranges::find(running_, running));  // once: it may be running again already
  if (running_.empty()) stopped_.notify_all();
}

OutputTensor OpenvinoModel::Pool::output_of(Slot& slot, std::size_t index) const {
  const ov::Tensor tensor = slot.request.get_output_tensor(index);
  OutputTensor output{.shape = shape_of(tensor.get_shape())};
  if (tensor.get_size() == 0) return output;
  if (strings_ && strings_->is_output(index)) {
    output.data = slot.texts.emplace_back(
        slot.strings->decode({tensor.data<const std::int32_t>(), tensor.get_size()}));
  } else {
    output.data = {static_cast<const std::byte*>(tensor.data()), tensor.get_byte_size()};
  }
  return output;
}

// The result's owner is the slot, and with it the inputs: where an operator does nothing, the
// runtime gives the caller's own bytes back as the output.
TensorResult OpenvinoModel::Pool::result_of(Slot& slot) {
  const TimePoint computed = slot.runs_here ? slot.ended : Clock::now();
  if (!slot.runs_here) short_runs_->ran_elsewhere(ns_between(slot.started, computed));
  TensorResult result{.input_ns = slot.input_ns, .infer_ns = ns_between(slot.started, computed)};
  const std::size_t num_outputs = compiled_.outputs().size();
  result.outputs.reserve(num_outputs);
  for (std::size_t i = 0; i < num_outputs; ++i) result.outputs.push_back(output_of(slot, i));
  result.owner = std::shared_ptr<const void>(
      static_cast<const void*>(&slot), [pool = shared_from_this()](const void* held) {
        pool->give_back(std::unique_ptr<Slot>(static_cast<Slot*>(const_cast<void*>(held))));
      });
  result.output_ns = ns_between(computed, Clock::now());
  return result;
}

Error OpenvinoModel::Pool::error_of(std::exception_ptr failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::bad_alloc&) {
    return {.kind = ErrorKind::internal,
            .message = "there was not enough memory for the inference"};
  } catch (const StringsTooLarge& e) {
    return {.kind = ErrorKind::invalid_argument, .message = e.what()};
  } catch (const std::exception& e) {
    log_debug("inference failed: {}", e.what());
  } catch (...) {
    log_error("inference failed with something that is no exception");
  }
  // With open sizes the caller can send what does not fit together; otherwise it is not its fault.
  return open_shapes_
             ? Error{.kind = ErrorKind::invalid_argument,
                     .message = "the model cannot be computed for inputs of these shapes or values"}
             : Error{.kind = ErrorKind::internal, .message = "the model failed on these inputs"};
}

void OpenvinoModel::Pool::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  std::vector<ov::InferRequest> requests;
  for (Slot* slot : running_) requests.push_back(slot->request);
  lock.unlock();
  for (ov::InferRequest& request : requests) request.cancel();
  lock.lock();
  stopped_.wait(lock, [&] { return running_.empty(); });
  idle_.clear();
}

namespace {

bool leaves_sizes_open(const ModelDescription& description) {
  return std::ranges::any_of(description.inputs, [&](const TensorSpec& spec) {
    if (spec.any_rank) return true;
    const auto dims = spec.shape.dims();
    const std::size_t batch = description.max_batch_size > 0 ? 1 : 0;
    return std::ranges::any_of(dims.subspan(batch), [](std::int64_t dim) { return dim < 0; });
  });
}

int most_at_once(const ov::CompiledModel& compiled) {
  const auto optimal = compiled.get_property(ov::optimal_number_of_infer_requests);
  return std::clamp(static_cast<int>(optimal), 1, 256);
}

bool has_one_row(const TensorBatch& batch) {
  return std::ranges::all_of(batch.inputs, [](const InputTensor& input) {
    return input.shape.rank() > 0 && input.shape[0] == 1;
  });
}

}  // namespace

CompiledGraph compile(ov::Core& core, const std::shared_ptr<ov::Model>& graph,
                      const std::string& device, const ov::AnyMap& settings) {
  return {.model = core.compile_model(graph, device, settings),
          .has_open_sizes = graph->is_dynamic()};
}

OpenvinoModel::OpenvinoModel(std::shared_ptr<ov::Core> runtime, CompiledGraph compiled,
                             ModelDescription description,
                             std::shared_ptr<const StringCodes> strings)
    : runtime_(std::move(runtime)),
      description_(std::move(description)),
      graph_weight_bytes_(description_.weight_bytes),
      strings_(std::move(strings)),
      short_runs_(std::make_shared<ShortRuns>()) {
  has_feature_parts_ = has_feature_parts(description_);
  max_concurrency_ = most_at_once(compiled.model);
  pool_ = make_pool(std::move(compiled), max_concurrency_);
}

OpenvinoModel::~OpenvinoModel() {
  pool_->close();
  if (company_) company_->close();
  if (short_) short_->close();
}

std::shared_ptr<OpenvinoModel::Pool> OpenvinoModel::make_pool(CompiledGraph compiled,
                                                              int num_running) {
  std::vector<DType> types;
  for (const TensorSpec& spec : description_.inputs) types.push_back(spec.dtype);
  return std::make_shared<Pool>(
      std::move(compiled), std::move(types), leaves_sizes_open(description_),
      static_cast<std::size_t>(2 * num_running + 2), short_runs_, strings_);
}

void OpenvinoModel::add_company(CompiledGraph compiled) {
  max_in_company_ = most_at_once(compiled.model);
  count_weights_again();
  company_ = make_pool(std::move(compiled), max_in_company_);
}

void OpenvinoModel::add_short(CompiledGraph compiled) {
  count_weights_again();
  short_ = make_pool(std::move(compiled), max_concurrency_);
}

std::vector<std::unique_ptr<Servable>> OpenvinoModel::take_signatures() {
  return std::move(signatures_);
}

void OpenvinoModel::add_signature(std::unique_ptr<Servable> signature) {
  signatures_.push_back(std::move(signature));
}

void OpenvinoModel::infer(TensorBatch batch, TensorDone on_done) {
  if (has_feature_parts_) {
    Status right = check_feature_parts(description_, batch.inputs);
    if (!right) return on_done(pass(right));
  }
  // Of merged requests the threads are better used side by side.
  const bool merged = std::ranges::any_of(
      batch.inputs, [](const InputTensor& input) { return input.parts.size() > 1; });
  const bool here = !merged && short_runs_->run_here(bytes_of(batch.inputs));
  const bool alone = description_.max_batch_size == 0 || has_one_row(batch);
  Pool& pool = here && alone && short_                          ? *short_
               : !here && alone && batch.in_company && company_ ? *company_
                                                                : *pool_;
  pool.infer(std::move(batch), here, std::move(on_done));
}

bool OpenvinoModel::is_instant(std::size_t input_bytes) const {
  return short_runs_->is_instant(input_bytes);
}

}  // namespace millrace::backends
