#include "serving/pipeline/model_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "serving/pipeline/values.h"
#include "serving/tensor_checks.h"

namespace millrace::serving {
namespace {

constexpr int kMaxInFlight = 8;  // requests of one call at once
constexpr std::int64_t kMaxParts = 10'000;
constexpr std::int64_t kTracedParts = 16;  // the first; a trace has room for the other steps

ValueType type_of(const TensorSpec& spec) {
  return {.dtype = spec.dtype, .shape = spec.shape, .any_rank = spec.any_rank};
}

bool same_specs(const std::vector<TensorSpec>& a, const std::vector<TensorSpec>& b) {
  return std::ranges::equal(a, b, [](const TensorSpec& x, const TensorSpec& y) {
    return x.name == y.name && x.dtype == y.dtype && x.shape == y.shape && x.any_rank == y.any_rank;
  });
}

std::string names_of(const std::vector<TensorSpec>& specs) {
  std::string names;
  for (const TensorSpec& spec : specs) names += (names.empty() ? "" : ", ") + spec.name;
  return names;
}

bool takes_one_row(const TensorSpec& spec) {
  return !spec.any_rank && spec.shape.rank() > 0 && spec.shape[0] == 1;
}

bool is_scalar(const TensorSpec& spec) {
  return !spec.any_rank && spec.shape.rank() == 0;
}

// Where the error names the model, whatever the store said.
Error named(Error error, const std::string& model) {
  error.message = fmt::format("model '{}': {}", model, error.message);
  error.param.clear();
  return error;
}

Result<ModelHandle> model_now(const GraphModel& model, const ModelFinder& find) {
  auto handle = find(model.name, model.version);
  if (!handle) {
    handle.error().kind = ErrorKind::unavailable;
    return std::unexpected(named(std::move(handle.error()), model.name));
  }
  const bool same = model.same_as((*handle)->description());
  if (same && (*handle)->batcher()) return handle;
  return std::unexpected(
      named({.kind = ErrorKind::unavailable,
             .message = "it is not the one that the pipeline was loaded with; load the pipeline "
                        "again",
             .code = "pipeline_outdated"},
            model.name));
}

// Outputs of one request, and what they lie in. The model goes last.
struct Lent {
  ModelHandle model;
  std::shared_ptr<const void> outputs;
};

// One call: rows in parts, kMaxInFlight of them under way.
class Parts : public std::enable_shared_from_this<Parts> {
 public:
  Parts(const GraphModel& model, ModelHandle handle, WorkerPool& workers, ModelCall call,
        ModelDone done)
      : model_(model),
        handle_(std::move(handle)),
        workers_(workers),
        call_(std::move(call)),
        done_(std::move(done)) {}

  void start(std::int64_t rows, std::int64_t rows_a_part) {
    rows_ = rows;
    rows_a_part_ = rows_a_part;
    num_parts_ = rows_a_part > 0 ? (rows + rows_a_part - 1) / rows_a_part : 1;
    answers_.resize(static_cast<std::size_t>(num_parts_));
    go_on();
  }

 private:
  // Submits what may be under way; ends the call when nothing is.
  void go_on() {
    for (;;) {
      std::int64_t part = 0;
      {
        std::lock_guard lock(mutex_);
        const bool more = !error_ && next_ < num_parts_ && !call_.stop.stop_requested();
        if (!more || num_running_ >= kMaxInFlight) {
          if (num_running_ > 0 || ended_) return;
          ended_ = true;
          break;
        }
        part = next_++;
        ++num_running_;
      }
      submit(part);
    }
    end();
  }

  void submit(std::int64_t part) {
    const ModelHandle model = handle_;  // the reply may come, and end the call, before this returns
    std::vector<NamedTensor> tensors;
    const auto pieces = std::make_shared<std::vector<Value>>();  // outputs may be views of them
    for (std::size_t i = 0; i < call_.inputs.size(); ++i) {
      const Value& piece = pieces->emplace_back(piece_of(call_.inputs[i], part));
      const auto dims = piece.shape.dims();
      tensors.push_back({.name = model_.inputs[i].name,
                         .dtype = piece.dtype,
                         .dims = {dims.begin(), dims.end()},
                         .data = piece.data});
    }
    auto inputs = check_inputs(model->description(), tensors);
    if (!inputs) return ended(part, pass(inputs));
    model->to_graph(*inputs);
    BatchRequest request{.inputs = *std::move(inputs),
                         .owner = pieces,
                         .num_rows = std::max<std::int64_t>(1, rows_in(part)),
                         .alone = model_.max_rows <= 1,
                         .priority = call_.priority,
                         .arrival = Clock::now(),
                         .deadline = call_.deadline,
                         .stop = call_.stop,
                         .trace = part < kTracedParts ? call_.trace : TraceHandle()};
    // On the runtime's thread: only posts.
    request.reply = [self = shared_from_this(), part](Result<TensorAnswer> answer) {
      if (answer) self->handle_->to_client(answer->outputs);
      auto held = std::make_shared<Result<TensorAnswer>>(std::move(answer));
      self->workers_.post([self, part, held] { self->ended(part, std::move(*held)); });
    };
    model->batcher()->submit(std::move(request));
  }

  std::int64_t rows_in(std::int64_t part) const {
    return rows_a_part_ > 0 ? std::min(rows_a_part_, rows_ - part * rows_a_part_) : rows_;
  }
  Value piece_of(const Value& value, std::int64_t part) const {
    return num_parts_ == 1 ? value : rows_of(value, part * rows_a_part_, rows_in(part));
  }

  void ended(std::int64_t part, Result<TensorAnswer> answer) {
    auto values = answer ? Result<std::vector<Value>>(values_of(*std::move(answer))) : pass(answer);
    {
      std::lock_guard lock(mutex_);
      --num_running_;
      if (values) {
        answers_[static_cast<std::size_t>(part)] = *std::move(values);
      } else if (!error_) {
        error_ = named(std::move(values.error()), model_.name);
      }
    }
    go_on();
  }

  std::vector<Value> values_of(TensorAnswer answer) const {
    const auto lent = std::make_shared<const Lent>(handle_, std::move(answer.owner));
    std::vector<Value> values;
    for (std::size_t i = 0; i < answer.outputs.size(); ++i) {
      values.push_back({.dtype = model_.outputs[i].dtype,
                        .shape = answer.outputs[i].shape,
                        .data = answer.outputs[i].data,
                        .owner = lent});
    }
    return values;
  }

  void end() {
    if (!error_ && next_ < num_parts_) {
      error_ = Error{.kind = ErrorKind::cancelled, .message = "the request was cancelled"};
    }
    Result<std::vector<Value>> result = error_ ? fail_with(*error_) : joined();
    answers_.clear();
    call_.inputs.clear();
    handle_.reset();
    std::exchange(done_, nullptr)(std::move(result));
  }
  static Result<std::vector<Value>> fail_with(const Error& error) { return std::unexpected(error); }

  Result<std::vector<Value>> joined() {
    std::vector<Value> out;
    std::vector<Value> column(answers_.size());
    for (std::size_t i = 0; i < model_.outputs.size(); ++i) {
      for (std::size_t part = 0; part < answers_.size(); ++part) {
        column[part] = std::move(answers_[part].at(i));
        const Shape& shape = column[part].shape;
        const bool alike =
            answers_.size() == 1 ||
            (shape.rank() > 0 && with_rows(shape, 0) == with_rows(column[0].shape, 0));
        if (alike) continue;
        return invalid(
            fmt::format("model '{}': output '{}' has rows of different sizes, which "
                        "cannot be put together",
                        model_.name, model_.outputs[i].name));
      }
      auto whole = join_rows(column, call_.max_bytes);
      if (!whole) return pass(whole);
      out.push_back(*std::move(whole));
    }
    return out;
  }

  const GraphModel& model_;
  ModelHandle handle_;
  WorkerPool& workers_;
  ModelCall call_;
  ModelDone done_;
  std::int64_t rows_ = 0, rows_a_part_ = 0, num_parts_ = 0;  // rows_a_part_ 0: not split
  std::mutex mutex_;
  std::int64_t next_ = 0;
  int num_running_ = 0;
  bool ended_ = false;
  std::optional<Error> error_;
  std::vector<std::vector<Value>> answers_;  // by part; each written once
};

Result<std::int64_t> rows_of_inputs(const GraphModel& model, const std::vector<Value>& inputs) {
  const std::int64_t rows = num_rows(inputs.front());
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    if (num_rows(inputs[i]) == rows) continue;
    return invalid(fmt::format("model '{}': input '{}' has {} rows, but input '{}' has {}",
                               model.name, model.inputs[i].name, num_rows(inputs[i]),
                               model.inputs[0].name, rows));
  }
  return rows;
}

}  // namespace

bool GraphModel::same_as(const ModelDescription& now) const {
  return same_specs(inputs, now.inputs) && same_specs(outputs, now.outputs) &&
         max_rows == now.max_batch_size;
}

Result<GraphModel> model_for_step(const FileStep& step, const std::string& where,
                                  const ModelFinder& find) {
  const std::string label = fmt::format("{}: model '{}'", where, step.model);
  auto handle = find(step.model, step.version);
  if (!handle) {
    const Error& error = handle.error();
    if (error.kind == ErrorKind::not_found && error.param == "version") {
      return invalid(fmt::format("{}: {}", label, error.message), "version");
    }
    if (error.kind == ErrorKind::not_found) {
      return invalid(label + ": there is no such model in the models folder", "model");
    }
    const bool loading = error.code == "model_loading";
    return fail(ErrorKind::unavailable,
                loading ? fmt::format("waits for model '{}' (step '{}')", step.model, step.name)
                        : fmt::format("{}: {}", label, error.message),
                "model", loading ? kWaitsForModel : kNeedsModel);
  }
  if (!(*handle)->batcher()) return invalid(label + " takes no tensors", "model");
  if ((*handle)->sequences()) {
    return invalid(label + " keeps state between requests, which a step has none of", "model");
  }
  const ModelDescription& d = (*handle)->description();
  return GraphModel{.name = (*handle)->name(),
                    .version = step.version,
                    .inputs = d.inputs,
                    .outputs = d.outputs,
                    .max_rows = d.max_batch_size};
}

Result<std::vector<std::size_t>> connect_model(const FileStep& step,
                                               const std::vector<ValueType>& types,
                                               const std::string& where, GraphModel& model) {
  constexpr std::size_t kNone = ~std::size_t{0};
  std::vector<std::size_t> order(model.inputs.size(), kNone);
  for (std::size_t i = 0; i < types.size(); ++i) {
    const std::string& to = step.inputs[i].to;
    const auto spec = to.empty() ? model.inputs.begin() +
                                       static_cast<std::ptrdiff_t>(std::min(i, model.inputs.size()))
                                 : std::ranges::find(model.inputs, to, &TensorSpec::name);
    if (spec == model.inputs.end()) {
      return invalid(
          fmt::format("{}: inputs: model '{}' has no input '{}'; it has {}", where, model.name,
                      to.empty() ? std::to_string(i) : to, names_of(model.inputs)),
          "inputs");
    }
    order[static_cast<std::size_t>(spec - model.inputs.begin())] = i;
    ValueType wanted = type_of(*spec);
    const bool any_rows = takes_one_row(*spec) && !types[i].any_rank && types[i].shape.rank() > 0 &&
                          types[i].shape[0] != 1;
    if (any_rows) {
      model.row_by_row = true;
      wanted.shape = with_rows(wanted.shape, -1);
    }
    if (may_fit(types[i], wanted)) continue;
    return invalid(fmt::format("{}: inputs: {} is {}, but input '{}' of model '{}' takes {}", where,
                               to_string(step.inputs[i].from), to_string(types[i]), spec->name,
                               model.name, to_string(type_of(*spec))),
                   "inputs");
  }
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (order[i] != kNone) continue;
    return invalid(fmt::format("{}: inputs: '{}' of model '{}' is missing", where,
                               model.inputs[i].name, model.name),
                   "inputs");
  }
  if (model.row_by_row && std::ranges::any_of(model.outputs, is_scalar)) {
    return invalid(fmt::format("{}: inputs: model '{}' takes one row, and an output of it has no "
                               "rows: those of several cannot be put together",
                               where, model.name),
                   "inputs");
  }
  if (model.row_by_row && !std::ranges::all_of(model.inputs, takes_one_row)) {
    return invalid(fmt::format("{}: inputs: model '{}' takes one row of one input and more of "
                               "another: its rows cannot be told apart",
                               where, model.name),
                   "inputs");
  }
  return order;
}

std::vector<StepOutput> model_outputs(const GraphModel& model) {
  std::vector<StepOutput> outputs;
  for (const TensorSpec& spec : model.outputs) {
    StepOutput output{.name = spec.name, .type = type_of(spec)};
    if (model.row_by_row) output.type.shape = with_rows(output.type.shape, -1);
    outputs.push_back(std::move(output));
  }
  return outputs;
}

void call_model(const GraphModel& model, const ModelFinder& find, WorkerPool& workers,
                ModelCall call, ModelDone done) {
  auto refuse = [&](Error error) {
    workers.post([done, error = std::move(error)] { done(std::unexpected(error)); });
  };
  auto handle = model_now(model, find);
  if (!handle) return refuse(std::move(handle.error()));
  const bool none =
      std::ranges::any_of(call.inputs, [](const Value& v) { return num_rows(v) == 0; });
  if (none) {
    std::vector<Value> empty;
    for (const StepOutput& output : model_outputs(model)) empty.push_back(empty_value(output.type));
    workers.post([done = std::move(done), empty = std::move(empty)] { done(empty); });
    return;
  }
  std::int64_t rows = 1, rows_a_part = 0;
  if (model.row_by_row || model.max_rows > 0) {
    const auto counted = rows_of_inputs(model, call.inputs);
    if (!counted) return refuse(counted.error());
    rows = *counted;
    rows_a_part = model.row_by_row ? 1 : std::max(1, model.max_rows);
    if (rows / rows_a_part > kMaxParts) {
      return refuse({.kind = ErrorKind::too_large,
                     .message = fmt::format("model '{}': {} rows in one request are too many",
                                            model.name, rows)});
    }
  }
  std::make_shared<Parts>(model, *std::move(handle), workers, std::move(call), std::move(done))
      ->start(rows, rows_a_part);
}

}  // namespace millrace::serving
