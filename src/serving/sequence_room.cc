#include "serving/sequence_room.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace millrace::serving {
namespace {

constexpr std::size_t kMaxWaiting = 1024;                       // requests behind others
constexpr std::size_t kMaxStateBytes = std::size_t{256} << 20;  // of one tensor of one sequence
constexpr std::chrono::milliseconds kShortestLook{5}, kLongestLook{1000};

Error too_many(const char* what) {
  Error error{.kind = ErrorKind::unavailable, .message = what, .code = "overloaded"};
  error.retry_after_ms = 1000;
  return error;
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

// A request in the room.
struct SequenceRoom::Step {
  SequenceStep step;
  BatchRequest request;
  TensorReply reply;
  WorkerPool* workers = nullptr;
};

struct SequenceRoom::Sequence {
  struct Kept {
    Shape shape{};
    std::shared_ptr<const std::vector<std::byte>> bytes{};  // null: the first value
  };
  std::vector<Kept> states{};  // of the running step alone: it needs no lock
  std::deque<std::shared_ptr<Step>> waiting{};
  bool running = false;
  bool ends = false;  // with the last request that is in
  TimePoint last_used = Clock::now();
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

Status SequenceRoom::submit(const SequenceStep& step, BatchRequest& request, WorkerPool& workers) {
  for (const SequencePlan::Control& control : plan_.controls) {
    std::vector<std::byte> id;
    if (control.control == SequenceControl::id && !put_id(step.id, control.dtype, id)) {
      return invalid("sequence_id does not fit the model's input for it", "sequence_id");
    }
  }
  std::unique_lock lock(mutex_);
  auto found = sequences_.find(step.id);
  const bool is_known = found != sequences_.end() && !found->second->ends;
  if (!is_known && !step.start) {
    return invalid(
        "sequence_id names no sequence that has begun: it has ended, was idle for too long, or its "
        "first request lacks sequence_start",
        "sequence_id", "sequence_not_found");
  }
  if (found == sequences_.end() &&
      sequences_.size() >= static_cast<std::size_t>(settings_.max_sequences)) {
    return std::unexpected(too_many("the model keeps as many sequences as it may"));
  }
  if (found != sequences_.end() && found->second->running && num_waiting_ >= kMaxWaiting) {
    return std::unexpected(too_many("too many requests wait behind others of their sequence"));
  }
  if (found == sequences_.end()) {
    found = sequences_.emplace(step.id, std::make_shared<Sequence>()).first;
    num_alive_.set(static_cast<double>(sequences_.size()));
    if (sequences_.size() == 1) wake_.notify_one();
  }
  const std::shared_ptr<Sequence> sequence = found->second;
  auto made = std::make_shared<Step>();
  made->step = step;
  made->reply = std::move(request.reply);
  made->request = std::move(request);
  made->workers = &workers;
  sequence->ends = step.end;
  if (std::exchange(sequence->running, true)) {
    sequence->waiting.push_back(std::move(made));
    ++num_waiting_;
    return {};
  }
  lock.unlock();
  run(sequence, std::move(made));
  return {};
}

BatchRequest SequenceRoom::assemble(Sequence& sequence, Step& step) const {
  struct Owned {
    std::shared_ptr<const void> client;
    std::vector<std::shared_ptr<const std::vector<std::byte>>> states;
    std::vector<std::byte> id;
  };
  auto owned = std::make_shared<Owned>();
  owned->client = std::move(step.request.owner);
  BatchRequest request = std::move(step.request);
  std::vector<InputTensor> all(plan_.num_inputs);
  for (std::size_t i = 0; i < plan_.client_inputs.size(); ++i) {
    all[plan_.client_inputs[i]] = std::move(request.inputs[i]);
  }
  if (step.step.start || sequence.states.empty()) sequence.states.assign(plan_.states.size(), {});
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
                    (control.control == SequenceControl::start && step.step.start) ||
                    (control.control == SequenceControl::end && step.step.end);
    const bool is_id = control.control == SequenceControl::id;
    if (is_id && owned->id.empty()) put_id(step.step.id, control.dtype, owned->id);
    all[control.input] = {.shape = control.shape,
                          .parts = {is_id ? std::span<const std::byte>(owned->id)
                                    : on  ? std::span<const std::byte>(control.on)
                                          : std::span<const std::byte>(control.off)}};
  }
  request.inputs = std::move(all);
  request.owner = std::move(owned);
  return request;
}

void SequenceRoom::run(const std::shared_ptr<Sequence>& sequence, std::shared_ptr<Step> step) {
  BatchRequest request = assemble(*sequence, *step);
  request.reply = [this, sequence, step = std::move(step)](Result<TensorAnswer> answer) {
    auto held = std::make_shared<Result<TensorAnswer>>(std::move(answer));
    step->workers->post(
        [this, sequence, step, held] { finished(sequence, step, std::move(*held)); });
  };
  batcher_.submit(std::move(request));
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
  std::shared_ptr<Step> next;
  {
    std::lock_guard lock(mutex_);
    sequence->last_used = Clock::now();
    if (!sequence->waiting.empty()) {
      next = std::move(sequence->waiting.front());
      sequence->waiting.pop_front();
      --num_waiting_;
    } else {
      sequence->running = false;
      if (sequence->ends) {
        sequences_.erase(step->step.id);
        num_alive_.set(static_cast<double>(sequences_.size()));
      }
    }
  }
  if (next) run(sequence, std::move(next));
  TensorReply reply = std::move(step->reply);
  if (answer) answer = for_client(*std::move(answer));
  reply(std::move(answer));
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
