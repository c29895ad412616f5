#include "serving/triton_sequences.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "serving/model_tables.h"

namespace millrace::serving {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kMaxMicroseconds = 86'400'000'000;
constexpr std::size_t kMaxTables = 256;

Status read_file_bytes(const PbtxtSource& source, const PbtxtField& field, const fs::path& folder,
                       std::vector<std::byte>& out) {
  std::string name;
  if (Status read = read_pbtxt(source, field, name); !read) return read;
  const auto text = read_data_file(folder, name);
  if (!text) return source.wrong(field, text.error().message);
  const auto bytes = std::as_bytes(std::span(*text));
  out.assign(bytes.begin(), bytes.end());
  return {};
}

// int32_false_true: [0, 1], as its two fields.
Status read_false_true(const PbtxtSource& source, const PbtxtMessage& message,
                       ControlInput& control) {
  for (const char* name : {"int32_false_true", "fp32_false_true", "bool_false_true"}) {
    std::vector<const PbtxtField*> values;
    for (const PbtxtField& field : message.fields) {
      if (field.name == name) values.push_back(&field);
    }
    if (values.empty()) continue;
    if (values.size() != 2) return source.wrong(*values[0], "must have two values");
    double* targets[] = {&control.off, &control.on};
    for (std::size_t i = 0; i < 2; ++i) {
      if (name[0] == 'b') {
        bool value = false;
        if (Status read = read_pbtxt(source, *values[i], value); !read) return read;
        *targets[i] = value ? 1 : 0;
        continue;
      }
      const auto value = read_pbtxt_number(source, *values[i]);
      if (!value) return std::unexpected(value.error());
      *targets[i] = *value;
    }
  }
  return {};
}

Status read_control_kind(const PbtxtSource& source, const PbtxtField& field, SequenceControl& out) {
  constexpr std::pair<std::string_view, SequenceControl> kKinds[] = {
      {"CONTROL_SEQUENCE_START", SequenceControl::start},
      {"CONTROL_SEQUENCE_READY", SequenceControl::ready},
      {"CONTROL_SEQUENCE_END", SequenceControl::end},
      {"CONTROL_SEQUENCE_CORRID", SequenceControl::id}};
  const auto* found = std::ranges::find(kKinds, field.text, [](const auto& p) { return p.first; });
  if (found == std::end(kKinds)) {
    return source.wrong(field, "must be CONTROL_SEQUENCE_START, _READY, _END or _CORRID");
  }
  out = found->second;
  return {};
}

Status read_control_input(const PbtxtSource& source, const PbtxtField& field,
                          SequenceSettings& out) {
  if (Status is = expect_message(source, field); !is) return is;
  if (out.controls.size() >= kMaxTables) return source.wrong(field, "is given too often");
  ControlInput control;
  const auto read_control = [&](const PbtxtField& inner) -> Status {
    if (Status is = expect_message(source, inner); !is) return is;
    const Status read = read_fields(
        source, inner.message,
        {{"kind", [&](const auto& f) { return read_control_kind(source, f, control.control); }},
         {"int32_false_true", {}},
         {"fp32_false_true", {}},
         {"bool_false_true", {}},
         {"data_type", {}}});
    return read ? read_false_true(source, inner.message, control) : read;
  };
  const Status read =
      read_fields(source, field.message,
                  {{"name", [&](const auto& f) { return read_pbtxt(source, f, control.input); }},
                   {"control", read_control}});
  if (!read) return read;
  if (control.input.empty()) return source.wrong(field, "has no name");
  out.controls.push_back(std::move(control));
  return {};
}

Status read_initial_state(const PbtxtSource& source, const PbtxtField& field,
                          const fs::path& folder, StateTensor& state) {
  if (Status is = expect_message(source, field); !is) return is;
  state.dims.clear();
  return read_fields(source, field.message,
                     {{"name", {}},
                      {"data_type", {}},
                      {"dims", [&](const auto& f) { return read_dim(source, f, state.dims); }},
                      {"zero_data", {}},
                      {"data_file", [&](const auto& f) {
                         return read_file_bytes(source, f, folder / "initial_state", state.initial);
                       }}});
}

Status read_state(const PbtxtSource& source, const PbtxtField& field, const fs::path& folder,
                  SequenceSettings& out) {
  if (Status is = expect_message(source, field); !is) return is;
  if (out.states.size() >= kMaxTables) return source.wrong(field, "is given too often");
  StateTensor state;
  bool has_initial = false;
  const Status read = read_fields(
      source, field.message,
      {{"input_name", [&](const auto& f) { return read_pbtxt(source, f, state.input); }},
       {"output_name", [&](const auto& f) { return read_pbtxt(source, f, state.output); }},
       {"data_type", [&](const auto& f) { return read_data_type(source, f, state.dtype); }},
       {"dims",
        [&](const auto& f) { return has_initial ? Status() : read_dim(source, f, state.dims); }},
       {"initial_state",
        [&](const auto& f) {
          has_initial = true;
          return read_initial_state(source, f, folder, state);
        }},
       {"use_same_buffer_for_input_output", {}},
       {"use_growable_memory", {}}});
  if (!read) return read;
  if (state.input.empty() || state.output.empty()) {
    return source.wrong(field, "needs an input_name and an output_name");
  }
  out.states.push_back(std::move(state));
  return {};
}

}  // namespace

Status read_data_type(const PbtxtSource& source, const PbtxtField& field,
                      std::optional<DType>& out) {
  out = parse_datatype(field.text);
  if (out && field.text.starts_with("TYPE_")) return {};
  return source.wrong(field, "must be a type such as TYPE_FP32");
}

Status read_dim(const PbtxtSource& source, const PbtxtField& field,
                std::vector<std::int64_t>& out) {
  const auto dim = read_pbtxt_integer(source, field, -1, std::numeric_limits<std::int64_t>::max());
  if (!dim) return std::unexpected(dim.error());
  if (out.size() >= static_cast<std::size_t>(kMaxRank)) {
    return source.wrong(field, "has more dimensions than are served");
  }
  out.push_back(*dim);
  return {};
}

Status preferred_size(const PbtxtSource& source, const PbtxtField& field, BatchSettings& batch) {
  const auto size = read_pbtxt_integer(source, field, 1, 65'536);
  if (!size) return std::unexpected(size.error());
  if (batch.preferred_sizes.size() >= kMaxTables) return source.wrong(field, "has too many sizes");
  batch.preferred_sizes.push_back(static_cast<int>(*size));
  std::ranges::sort(batch.preferred_sizes);
  return {};
}

Status read_sequence_batching(const PbtxtSource& source, const PbtxtField& field,
                              const fs::path& folder, GraphSettings& graph) {
  if (Status is = expect_message(source, field); !is) return is;
  SequenceSettings& out = graph.sequence;
  out.enabled = true;
  const auto read_oldest = [&](const PbtxtField& f) -> Status {
    if (Status is = expect_message(source, f); !is) return is;
    return read_fields(
        source, f.message,
        {{"max_candidate_sequences", {}},
         {"preferred_batch_size",
          [&](const auto& size) { return preferred_size(source, size, graph.batch); }},
         {"max_queue_delay_microseconds", [&](const auto& delay) -> Status {
            const auto us = read_pbtxt_integer(source, delay, 0, kMaxMicroseconds);
            if (!us) return std::unexpected(us.error());
            graph.batch.max_delay = std::chrono::microseconds(*us);
            return {};
          }}});
  };
  return read_fields(
      source, field.message,
      {{"max_sequence_idle_microseconds",
        [&](const auto& f) -> Status {
          const auto us = read_pbtxt_integer(source, f, 1, kMaxMicroseconds);
          if (!us) return std::unexpected(us.error());
          out.max_idle = std::chrono::microseconds(*us);
          return {};
        }},
       {"control_input", [&](const auto& f) { return read_control_input(source, f, out); }},
       {"state", [&](const auto& f) { return read_state(source, f, folder, out); }},
       {"direct", {}},
       {"oldest", read_oldest}});
}

Status read_model_warmup(const PbtxtSource& source, const PbtxtField& field, const fs::path& folder,
                         GraphSettings& graph) {
  if (Status is = expect_message(source, field); !is) return is;
  if (graph.warmup.size() >= kMaxTables) return source.wrong(field, "is given too often");
  WarmupSample sample;
  const auto count = [&](int& out, std::int64_t max) {
    return [&source, &out, max](const PbtxtField& f) -> Status {
      const auto value = read_pbtxt_integer(source, f, 0, max);
      if (!value) return std::unexpected(value.error());
      out = std::max(1, static_cast<int>(*value));
      return {};
    };
  };
  const auto read_value = [&](const PbtxtField& f, WarmupInput& input) -> Status {
    if (Status is = expect_message(source, f); !is) return is;
    return read_fields(
        source, f.message,
        {{"data_type", [&](const auto& v) { return read_data_type(source, v, input.dtype); }},
         {"dims", [&](const auto& v) { return read_dim(source, v, input.dims); }},
         {"zero_data", {}},
         {"random_data",
          [&](const auto&) {
            input.fill = WarmupInput::Fill::random;
            return Status();
          }},
         {"input_data_file", [&](const auto& v) {
            input.fill = WarmupInput::Fill::file;
            return read_file_bytes(source, v, folder / "warmup", input.data);
          }}});
  };
  // A map's entry: { key: "x" value: { … } }
  const auto read_input = [&](const PbtxtField& f) -> Status {
    if (Status is = expect_message(source, f); !is) return is;
    if (sample.inputs.size() >= kMaxTables) return source.wrong(f, "is given too often");
    WarmupInput& input = sample.inputs.emplace_back();
    return read_fields(source, f.message,
                       {{"key", [&](const auto& v) { return read_pbtxt(source, v, input.name); }},
                        {"value", [&](const auto& v) { return read_value(v, input); }}});
  };
  const Status read =
      read_fields(source, field.message,
                  {{"name", [&](const auto& f) { return read_pbtxt(source, f, sample.name); }},
                   {"batch_size", count(sample.rows, 65'536)},
                   {"count", count(sample.count, 10'000)},
                   {"inputs", read_input}});
  if (!read) return read;
  graph.warmup.push_back(std::move(sample));
  return {};
}

}  // namespace millrace::serving
