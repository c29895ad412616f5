#include "serving/pipeline/pipeline_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "serving/pipeline/model_step.h"
#include "serving/pipeline/step_order.h"
#include "serving/pipeline/values.h"

namespace millrace::serving {
namespace {

TensorSpec spec_of(const std::string& name, const ValueType& type) {
  return {.name = name, .dtype = type.dtype, .shape = type.shape, .any_rank = type.any_rank};
}

void add_once(std::vector<ValueId>& ids, ValueId id) {
  if (id != kNoValue && std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
}

class Builder {
 public:
  Builder(const PipelineFile& file, std::string_view self, const std::filesystem::path& folder,
          const ModelFinder& find)
      : file_(file), self_(self), folder_(folder), find_(find) {}

  Result<PipelineGraph> build() {
    const auto order = order_steps(file_);
    if (!order) return std::unexpected(order.error());
    graph_.max_request_bytes = file_.max_request_bytes;
    for (const FileTensor& input : file_.inputs) {
      graph_.inputs.push_back(spec_of(input.name, input.type));
      graph_.values.push_back({.name = "input." + input.name, .type = input.type, .readers = {}});
    }
    for (const std::size_t index : *order) {
      if (Status done = add_step(file_.steps[index]); !done) return pass(done);
    }
    for (const FileOutput& output : file_.outputs) {
      const auto id = value_of_name(
          output.from,
          fmt::format("{}:{}: output '{}': from", file_.file_name, output.line, output.name));
      if (!id) return std::unexpected(id.error());
      GraphValue& value = graph_.values[static_cast<std::size_t>(*id)];
      value.is_output = true;
      graph_.outputs.push_back(spec_of(output.name, value.type));
      graph_.output_values.push_back(*id);
    }
    if (Status used = check_all_used(); !used) return pass(used);
    return std::move(graph_);
  }

 private:
  const ValueType& type_of(ValueId id) const {
    return graph_.values[static_cast<std::size_t>(id)].type;
  }

  Result<ValueId> value_of_name(const SourceName& source, const std::string& label) const {
    if (source.step == "input") {
      const auto input = std::ranges::find(file_.inputs, source.output, &FileTensor::name);
      if (input != file_.inputs.end()) return static_cast<ValueId>(input - file_.inputs.begin());
      if (source.output.empty() && file_.inputs.size() == 1) return 0;
      return invalid(fmt::format("{}: the pipeline has no input '{}'", label, source.output));
    }
    const GraphStep& step = graph_.steps[steps_.find(source.step)->second];
    if (source.output.empty() && step.num_outputs == 1) return step.first_output;
    std::string names;
    for (int i = 0; i < step.num_outputs; ++i) {
      const ValueId id = step.first_output + i;
      const GraphValue& value = graph_.values[static_cast<std::size_t>(id)];
      const std::string output = value.name.substr(step.name.size() + 1);
      if (output == source.output) return id;
      names += (names.empty() ? "" : ", ") + output;
    }
    return invalid(source.output.empty()
                       ? fmt::format("{}: step '{}' has several outputs, say which: {}", label,
                                     step.name, names)
                       : fmt::format("{}: step '{}' has no output '{}'; it has {}", label,
                                     step.name, source.output, names));
  }

  Status add_step(const FileStep& from) {
    GraphStep step{.name = from.name, .step = {}, .model = {}, .inputs = {}, .when = from.when};
    std::vector<ValueId> sources;
    for (const FileConnection& connection : from.inputs) {
      const auto id = value_of_name(connection.from, file_.where(from) + ": inputs");
      if (!id) return std::unexpected(id.error());
      sources.push_back(*id);
    }
    auto outputs =
        from.model.empty() ? make_built_in(from, sources, step) : make_model(from, sources, step);
    if (!outputs) return pass(outputs);
    step.first_output = static_cast<ValueId>(graph_.values.size());
    step.num_outputs = static_cast<int>(outputs->size());
    if (Status done = connect_condition(from, *outputs, step); !done) return done;
    for (const StepOutput& output : *outputs) {
      graph_.values.push_back(
          {.name = step.name + "." + output.name, .type = output.type, .readers = {}});
    }
    for (const ValueId id : step.inputs) add_once(step.waits_for, id);
    add_once(step.waits_for, step.when_value);
    for (const ValueId id : step.otherwise) add_once(step.waits_for, id);
    const auto index = static_cast<int>(graph_.steps.size());
    for (const ValueId id : step.waits_for) {
      graph_.values[static_cast<std::size_t>(id)].readers.push_back(index);
    }
    steps_.emplace(step.name, graph_.steps.size());
    graph_.steps.push_back(std::move(step));
    return {};
  }

  Result<std::vector<StepOutput>> make_model(const FileStep& from,
                                             const std::vector<ValueId>& sources, GraphStep& step) {
    const std::string where = file_.where(from);
    StepOptions none(from.options, where, folder_);
    if (Status done = none.finish(); !done) return pass(done);
    if (from.model == self_) {
      return invalid(fmt::format("{}: model: a pipeline cannot use itself", where));
    }
    auto model = model_for_step(from, where, find_);
    if (!model) return pass(model);
    std::vector<ValueType> types;
    types.reserve(sources.size());
    for (const ValueId id : sources) types.push_back(type_of(id));
    auto order = connect_model(from, types, where, *model);
    if (!order) return pass(order);
    for (const std::size_t source : *order) step.inputs.push_back(sources[source]);
    step.model = *std::move(model);
    return model_outputs(*step.model);
  }

  Result<std::vector<StepOutput>> make_built_in(const FileStep& from,
                                                const std::vector<ValueId>& sources,
                                                GraphStep& step) {
    StepOptions options(from.options, file_.where(from), folder_);
    const StepKind* kind = find_step_kind(from.kind);
    if (!kind) {
      std::string names;
      for (const StepKind& known : step_kinds())
        names += (names.empty() ? "" : ", ") + std::string(known.name);
      return options.wrong(
          fmt::format("do: there is no step \"{}\"; there are {}", from.kind.substr(0, 64), names));
    }
    StepPlan plan{.inputs = {}, .options = options};
    Status connected = kind->any_inputs ? connect_any(from, sources, options, plan, step)
                                        : connect_ports(*kind, from, sources, options, plan, step);
    if (!connected) return pass(connected);
    auto made = kind->make(plan);
    if (!made) return pass(made);
    step.step = *std::move(made);
    return step.step->outputs();
  }

  Status connect_any(const FileStep& from, const std::vector<ValueId>& sources,
                     const StepOptions& options, StepPlan& plan, GraphStep& step) const {
    if (sources.empty()) return options.wrong("inputs: there must be at least one");
    for (std::size_t i = 0; i < sources.size(); ++i) {
      std::string name = from.inputs[i].to;
      if (name.empty()) {  // as its source calls it
        const std::string& full = graph_.values[static_cast<std::size_t>(sources[i])].name;
        name = full.substr(full.find('.') + 1);
      }
      plan.inputs.push_back({.name = std::move(name), .type = type_of(sources[i])});
      step.inputs.push_back(sources[i]);
    }
    return {};
  }

  Status connect_ports(const StepKind& kind, const FileStep& from,
                       const std::vector<ValueId>& sources, const StepOptions& options,
                       StepPlan& plan, GraphStep& step) const {
    step.inputs.assign(kind.inputs.size(), kNoValue);
    std::string names;
    for (const StepPort& port : kind.inputs)
      names += (names.empty() ? "" : ", ") + std::string(port.name);
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const std::string& to = from.inputs[i].to;
      const auto port =
          to.empty()
              ? kind.inputs.begin() + static_cast<std::ptrdiff_t>(std::min(i, kind.inputs.size()))
              : std::ranges::find(kind.inputs, to,
                                  [](const StepPort& p) { return std::string_view(p.name); });
      if (port == kind.inputs.end()) {
        return options.wrong(
            to.empty() ? fmt::format("inputs: there are too many; it has {}", names)
                       : fmt::format("inputs: there is no input '{}'; it has {}", to, names));
      }
      step.inputs[static_cast<std::size_t>(port - kind.inputs.begin())] = sources[i];
    }
    for (std::size_t i = 0; i < kind.inputs.size(); ++i) {
      StepInput input{.name = kind.inputs[i].name, .type = {}};
      if (step.inputs[i] != kNoValue) {
        input.type = type_of(step.inputs[i]);
      } else if (!kind.inputs[i].optional) {
        return options.wrong(fmt::format("inputs: '{}' is missing", kind.inputs[i].name));
      }
      plan.inputs.push_back(std::move(input));
    }
    return {};
  }

  Status connect_condition(const FileStep& from, const std::vector<StepOutput>& outputs,
                           GraphStep& step) const {
    if (!from.when) return {};
    const std::string where = file_.where(from);
    const auto when = value_of_name(from.when->source, where + ": when");
    if (!when) return std::unexpected(when.error());
    if (from.when->of != Condition::Of::rows && !is_number(type_of(*when).dtype)) {
      return invalid(where + ": when: strings cannot be compared with a number");
    }
    step.when_value = *when;
    step.otherwise.assign(outputs.size(), kNoValue);
    for (std::size_t i = 0; i < from.otherwise.size(); ++i) {
      const FileConnection& connection = from.otherwise[i];
      const auto id = value_of_name(connection.from, where + ": else");
      if (!id) return std::unexpected(id.error());
      const auto output =
          connection.to.empty()
              ? outputs.begin() + static_cast<std::ptrdiff_t>(std::min(i, outputs.size()))
              : std::ranges::find(outputs, connection.to, &StepOutput::name);
      if (output == outputs.end()) {
        return invalid(fmt::format("{}: else: the step has no output for it", where));
      }
      if (type_of(*id).dtype != output->type.dtype) {
        return invalid(fmt::format("{}: else: {} is {}, but {} is {}", where,
                                   to_string(connection.from), to_string(type_of(*id)),
                                   output->name, to_string(output->type)));
      }
      step.otherwise[static_cast<std::size_t>(output - outputs.begin())] = *id;
    }
    return {};
  }

  Status check_all_used() const {
    std::vector<bool> used(graph_.steps.size());
    for (std::size_t i = graph_.steps.size(); i-- > 0;) {
      const GraphStep& step = graph_.steps[i];
      for (int k = 0; k < step.num_outputs; ++k) {
        const ValueId id = step.first_output + k;
        const GraphValue& value = graph_.values[static_cast<std::size_t>(id)];
        const bool read = std::ranges::any_of(
            value.readers, [&](int reader) { return used[static_cast<std::size_t>(reader)]; });
        if (read || value.is_output) used[i] = true;
      }
      if (!used[i]) {
        const auto from = std::ranges::find(file_.steps, step.name, &FileStep::name);
        return invalid(file_.where(*from) +
                       ": no output needs it; take it out, or use what it gives");
      }
    }
    for (std::size_t i = 0; i < file_.inputs.size(); ++i) {
      if (!graph_.values[i].readers.empty() || graph_.values[i].is_output) continue;
      return invalid(fmt::format("{}:{}: input '{}': no step reads it", file_.file_name,
                                 file_.inputs[i].line, file_.inputs[i].name));
    }
    return {};
  }

  const PipelineFile& file_;
  const std::string_view self_;
  const std::filesystem::path& folder_;
  const ModelFinder& find_;
  PipelineGraph graph_;
  std::map<std::string, std::size_t, std::less<>> steps_;  // those in graph_
};

}  // namespace

Result<PipelineGraph> build_graph(const PipelineFile& file, std::string_view self,
                                  const std::filesystem::path& folder, const ModelFinder& find) {
  return Builder(file, self, folder, find).build();
}

}  // namespace millrace::serving
