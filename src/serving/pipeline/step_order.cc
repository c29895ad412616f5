#include "serving/pipeline/step_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

namespace millrace::serving {
namespace {

class Order {
 public:
  explicit Order(const PipelineFile& file) : file_(file), state_(file.steps.size()) {
    for (std::size_t i = 0; i < file.steps.size(); ++i) index_.emplace(file.steps[i].name, i);
  }

  Result<std::vector<std::size_t>> all() {
    for (std::size_t i = 0; i < file_.steps.size(); ++i) {
      if (Status done = visit(i); !done) return pass(done);
    }
    for (const FileOutput& output : file_.outputs) {
      if (output.from.step == "input" || index_.contains(output.from.step)) continue;
      return unknown(
          fmt::format("{}:{}: output '{}': from", file_.file_name, output.line, output.name),
          output.from);
    }
    return std::move(order_);
  }

 private:
  enum class State : std::uint8_t { fresh, open, done };

  // At most kMaxSteps deep.
  Status visit(std::size_t i) {
    if (state_[i] == State::done) return {};
    const FileStep& step = file_.steps[i];
    if (state_[i] == State::open) {
      std::string circle;
      for (auto it = std::ranges::find(path_, i); it != path_.end(); ++it) {
        circle += file_.steps[*it].name + " → ";
      }
      return invalid(fmt::format("{}: needs itself: {}{}", file_.where(step), circle, step.name));
    }
    state_[i] = State::open;
    path_.push_back(i);
    for (const FileConnection& input : step.inputs) {
      if (Status done = need(step, "inputs", input.from); !done) return done;
    }
    if (step.when) {
      if (Status done = need(step, "when", step.when->source); !done) return done;
    }
    for (const FileConnection& other : step.otherwise) {
      if (Status done = need(step, "else", other.from); !done) return done;
    }
    path_.pop_back();
    state_[i] = State::done;
    order_.push_back(i);
    return {};
  }

  Status need(const FileStep& step, const char* key, const SourceName& source) {
    if (source.step == "input") return {};
    const auto found = index_.find(source.step);
    if (found != index_.end()) return visit(found->second);
    return unknown(fmt::format("{}: {}", file_.where(step), key), source);
  }

  std::unexpected<Error> unknown(const std::string& label, const SourceName& source) const {
    return invalid(
        fmt::format("{}: {}: there is no step '{}'", label, to_string(source), source.step));
  }

  const PipelineFile& file_;
  std::map<std::string_view, std::size_t> index_;
  std::vector<State> state_;
  std::vector<std::size_t> path_, order_;
};

}  // namespace

Result<std::vector<std::size_t>> order_steps(const PipelineFile& file) {
  return Order(file).all();
}

}  // namespace millrace::serving
