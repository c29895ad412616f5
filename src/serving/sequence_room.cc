#include "serving/sequence_room.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace millrace::serving {
namespace {

constexpr std::size_t kMaxStateBytes = std::size_t{256} << 20;  // of one tensor of one sequence
constexpr std::chrono::milliseconds kShortestLook{5}, kLongestLook{1000};

Error too_many(const char* what) {
  Error error{.kind = ErrorKind::unavailable, .message = what, .code = "overloaded"};
  error.retry_after_ms = 1000;
  return error;
}

std::unexpected<Error> not_begun() {
  return invalid(
      "sequence_id names no sequence that has begun: it has ended, was idle for too long, or its "
      "first request lacks sequence_start or was not run",
      "sequence_id", "sequence_not_found");
}

template <class T>
void put_number(std::uint64_t number, std::vector<std::byte>& out) {
  const T value = static_cast<T>(number);
  out.resize(sizeof value);
  std::memcpy(out.data(), &value, sizeof value);
}

// A sequence's id as the element of an input; false where the input's type cannot hold it.
bool put_id(const SequenceId& id, DType dtype, std::vector<std::byte>& out) {
  const auto* number = std::get_if<std::uint64_t>(&id);
  if (dtype == DType::bytes) {
    const std::string text = number ? fmt::format("{}", *number) : std::get<std::string>(id);
    put_number<std::uint32_t>(text.size(), out);
    const auto bytes = std::as_bytes(std::span(text));
    out.insert(out.end(), bytes.begin(), bytes.end());
    return true;
  }
  if (!number) return false;
  const bool narrow = dtype == DType::u32 || dtype == DType::i32;
  if (narrow) {
    put_number<std::uint32_t>(*number, out);
    return *number >> (dtype == DType::i32 ? 31 : 32) == 0;
  }
  put_number<std::uint64_t>(*number, out);
  return dtype == DType::u64 || *number >> 63 == 0;
}

}  // namespace

// A request in the room: running, or held by the batcher.
struct SequenceRoom::Step {
  SequenceStep step;
  TensorReply reply;
  WorkerPool& workers;
  HeldRequest held = 0;  // of one that waits
};

struct SequenceRoom::Sequence {
  struct Kept {
    Shape shape{};
    std::shared_ptr<const std::vector<std::byte>> bytes{};  // null: the first value
  };
  std::vector<Kept> states{};  // of the running step alone: it needs no lock
  std::deque<StepHandle> waiting{};
  bool running = false;
  bool running_ends = false;  // with the step that runs
  TimePoint last_used = Clock::now();

  // With the last request that is in.
  bool ends() const { return waiting.empty() ? running_ends : waiting.back()->step.end; }
  // Those from this place on whose sequence began with the step before them.
  std::vector<StepHandle> take_followers(std::deque<StepHandle>::iterator from) {
    const auto end = std::find_if(from, waiting.end(), [](const auto& s) { return s->step.start; });
    std::vector<StepHandle> taken(from, end);
    waiting.erase(from, end);
    return taken;
  }
};

SequenceRoom::SequenceRoom(SequencePlan plan, const SequenceSettings& settings, Batcher& batcher,
                           Metrics& metrics, const std::string& model_name,
                           const std::string& version)
    : plan_(std::move(plan)),
      settings_(settings),
      batcher_(batcher),
      num_alive_(metrics.gauge("millrace_sequences", "Sequences whose state is kept",
                               {{"model_name", model_name}, {"model_version", version}})) {
  thread_ = std::thread([this] {
    name_this_thread("sequences");
    forget_idle();
  });
}

SequenceRoom::~SequenceRoom() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  thread_.join();
  num_alive_.set(0);
}

std::size_t SequenceRoom::num_sequences() const {
  std::lock_guard lock(mutex_);
  return sequences_.size();
}

Status SequenceRoom::may_enter(const SequenceStep& step) const {
  const auto found = sequences_.find(step.id);
  const bool is_new = found == sequences_.end();
  if (!step.start && (is_new || found->second->ends())) return not_begun();
  if (is_new && sequences_.size() >= static_cast<std::size_t>(settings_.max_sequences)) {
    return std::unexpected(too_many("the model keeps as many sequences as it may"));
  }
  return {};
}

Status SequenceRoom::submit(const SequenceStep& step, BatchRequest& request, WorkerPool& workers) {
  for (const SequencePlan::Control& control : plan_.controls) {
    std::vector<std::byte> id;
    if (control.control == SequenceControl::id && !put_id(step.id, control.dtype, id)) {
      return invalid("sequence_id does not fit the model's input for it", "sequence_id");
    }
  }
  const auto made = std::make_shared<Step>(step, std::move(request.reply), workers);
  std::unique_lock lock(mutex_);
  if (Status may = may_enter(step); !may) return may;
  auto found = sequences_.find(step.id);
  if (found == sequences_.end()) {
    found = sequences_.emplace(step.id, std::make_shared<Sequence>()).first;
    num_alive_.set(static_cast<double>(sequences_.size()));
    if (sequences_.size() == 1) wake_.notify_one();
  }
  const SequenceHandle sequence = found->second;
  if (!sequence->running) {
    sequence->running = true;
    sequence->running_ends = step.end;
    lock.unlock();
    prepare(sequence, made, request);
    batcher_.submit(std::move(request));
    return {};
  }
  // Until it is released it gets nothing but an error.
  request.reply = [this, sequence, made](Result<TensorAnswer> answer) {
    departed(sequence, made, std::move(answer.error()));
  };
  const auto held = batcher_.hold(std::move(request));
  if (!held) return std::unexpected(held.error());
  made->held = *held;
  sequence->waiting.push_back(made);
  return {};
}

BatchRequest SequenceRoom::assemble(Sequence& sequence, const SequenceStep& step,
                                    BatchRequest request) const {
  struct Owned {
    std::shared_ptr<const void> client;
    std::vector<std::shared_ptr<const std::vector<std::byte>>> states;
    std::vector<std::byte> id;
  };
  auto owned = std::make_shared<Owned>();
  owned->client = std::move(request.owner);
  std::vector<InputTensor> all(plan_.num_inputs);
  for (std::size_t i = 0; i < plan_.client_inputs.size(); ++i) {
    all[plan_.client_inputs[i]] = std::move(request.inputs[i]);
  }
  if (step.start || sequence.states.empty()) sequence.states.assign(plan_.states.size(), {});
  for (std::size_t i = 0; i < plan_.states.size(); ++i) {
    const Sequence::Kept& kept = sequence.states[i];
    const SequencePlan::State& state = plan_.states[i];
    const bool first = kept.bytes == nullptr;
    all[state.input] = {.shape = first ? state.shape : kept.shape,
                        .parts = {first ? std::span<const std::byte>(state.initial)
                                        : std::span<const std::byte>(*kept.bytes)}};
    owned->states.push_back(kept.bytes);
  }
  for (const SequencePlan::Control& control : plan_.controls) {
    const bool on = control.control == SequenceControl::ready ||
                    (control.control == SequenceControl::start && step.start) ||
                    (control.control == SequenceControl::end && step.end);
    const bool is_id = control.control == SequenceControl::id;
    if (is_id && owned->id.empty()) put_id(step.id, control.dtype, owned->id);
    all[control.input] = {.shape = control.shape,
                          .parts = {is_id ? std::span<const std::byte>(owned->id)
                                    : on  ? std::span<const std::byte>(control.on)
                                          : std::span<const std::byte>(control.off)}};
  }
  request.inputs = std::move(all);
  request.owner = std::move(owned);
  return request;
}

void SequenceRoom::prepare(const SequenceHandle& sequence, const StepHandle& step,
                           BatchRequest& request) {
  request = assemble(*sequence, step->step, std::move(request));
  request.reply = [this, sequence, step](Result<TensorAnswer> answer) {
    auto held = std::make_shared<Result<TensorAnswer>>(std::move(answer));
    step->workers.post(
        [this, sequence, step, held] { finished(sequence, step, std::move(*held)); });
  };
}

Status SequenceRoom::keep_states(Sequence& sequence, const TensorAnswer& answer) const {
  std::vector<Sequence::Kept> states;
  for (const SequencePlan::State& state : plan_.states) {
    const OutputTensor& output = answer.outputs[state.output];
    if (output.data.size() > kMaxStateBytes) {
      return fail(ErrorKind::too_large,
                  fmt::format("the sequence's state has grown above {} bytes", kMaxStateBytes),
                  "sequence_id");
    }
    states.push_back({.shape = output.shape,
                      .bytes = std::make_shared<const std::vector<std::byte>>(output.data.begin(),
                                                                              output.data.end())});
  }
  sequence.states = std::move(states);
  return {};
}

TensorAnswer SequenceRoom::for_client(TensorAnswer answer) const {
  std::vector<OutputTensor> outputs;
  outputs.reserve(plan_.client_outputs.size());
  for (const std::size_t i : plan_.client_outputs) outputs.push_back(answer.outputs[i]);
  answer.outputs = std::move(outputs);
  return answer;
}

void SequenceRoom::finished(const std::shared_ptr<Sequence>& sequence,
                            const std::shared_ptr<Step>& step, Result<TensorAnswer> answer) {
  // A request that failed leaves the state as it was.
  if (answer) {
    if (Status kept = keep_states(*sequence, *answer); !kept) {
      answer = std::unexpected(std::move(kept.error()));
    }
  }
  TensorReply reply = std::move(step->reply);
  run_next(sequence, step->step.id);
  if (answer) answer = for_client(*std::move(answer));
  reply(std::move(answer));
}

void SequenceRoom::run_next(const SequenceHandle& sequence, const SequenceId& id) {
  for (;;) {
    std::unique_lock lock(mutex_);
    sequence->last_used = Clock::now();
    if (sequence->waiting.empty()) {
      sequence->running = false;
      if (!sequence->running_ends) return;
      sequences_.erase(id);
      num_alive_.set(static_cast<double>(sequences_.size()));
      return;
    }
    const StepHandle next = std::move(sequence->waiting.front());
    sequence->waiting.pop_front();
    const bool ended_before = std::exchange(sequence->running_ends, next->step.end);
    lock.unlock();
    const auto complete = [&](BatchRequest& request) { prepare(sequence, next, request); };
    if (batcher_.release(next->held, complete)) return;
    lock.lock();  // it has departed
    sequence->running_ends = ended_before;
    std::vector<StepHandle> followers;
    if (next->step.start) followers = sequence->take_followers(sequence->waiting.begin());
    lock.unlock();
    refuse(followers);
  }
}

// On a thread of the batcher's, or of one that refuses it.
void SequenceRoom::departed(const SequenceHandle& sequence, const StepHandle& step, Error error) {
  std::vector<StepHandle> followers;
  {
    std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(sequence->waiting, step);
    if (found != sequence->waiting.end()) {  // else run_next() has it, or it was taken out
      const auto after = sequence->waiting.erase(found);
      if (step->step.start) followers = sequence->take_followers(after);
    }
  }
  refuse(followers);
  TensorReply reply = std::move(step->reply);
  reply(std::unexpected(std::move(error)));
}

// Their sequence has not begun after all.
void SequenceRoom::refuse(const std::vector<StepHandle>& steps) {
  for (const StepHandle& step : steps) batcher_.withdraw(step->held, not_begun().error());
}

void SequenceRoom::forget_idle() {
  const auto look =
      std::clamp(std::chrono::duration_cast<std::chrono::milliseconds>(settings_.max_idle / 4),
                 kShortestLook, kLongestLook);
  std::unique_lock lock(mutex_);
  while (!closing_) {
    if (sequences_.empty()) {
      wake_.wait(lock);
      continue;
    }
    wake_.wait_for(lock, look);
    std::vector<std::shared_ptr<Sequence>> gone;  // let go outside the lock
    const TimePoint now = Clock::now();
    for (auto at = sequences_.begin(); at != sequences_.end();) {
      const bool idle = !at->second->running && now - at->second->last_used > settings_.max_idle;
      if (idle) gone.push_back(std::move(at->second));
      at = idle ? sequences_.erase(at) : std::next(at);
    }
    num_alive_.set(static_cast<double>(sequences_.size()));
    lock.unlock();
    gone.clear();
    lock.lock();
  }
}

}  // namespace millrace::serving
