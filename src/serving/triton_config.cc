#include "serving/triton_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "serving/model_tables.h"
#include "serving/pbtxt_fields.h"
#include "serving/triton_sequences.h"

namespace millrace::serving {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kMaxInt = std::numeric_limits<int>::max();
constexpr std::int64_t kMaxMicroseconds = 86'400'000'000;
constexpr std::int64_t kMaxBatch = 65'536;
constexpr std::size_t kMaxTensors = 1024;
constexpr std::size_t kMaxLabels = 1'000'000;

// Triton's name of what runs a model, and ours.
constexpr std::pair<std::string_view, std::string_view> kBackends[] = {
    {"onnxruntime_onnx", "openvino"},
    {"onnxruntime", "openvino"},
    {"openvino", "openvino"},
    {"tensorflow_graphdef", "openvino"},
    {"tensorflow_savedmodel", "openvino"},
    {"tensorflow", "openvino"},
    {"native", "native"},
    {"sim", "sim"},
    {"fake", "fake"},
};

class Reader {
 public:
  Reader(const fs::path& folder, const std::string& folder_name, FoundModel& model)
      : folder_(folder),
        folder_name_(folder_name),
        model_(model),
        source_{.file = "config.pbtxt", .warnings = &model.warnings} {}

  Status whole(const PbtxtMessage& config) {
    const auto to = [this](Status (Reader::*read)(const PbtxtField&)) {
      return [this, read](const PbtxtField& field) { return (this->*read)(field); };
    };
    return read_fields(
        source_, config,
        {{"name", to(&Reader::name)},
         {"platform", to(&Reader::backend)},
         {"backend", to(&Reader::backend)},
         {"runtime", {}},
         {"max_batch_size", to(&Reader::max_batch_size)},
         {"input", [this](const auto& f) { return tensor(f, model_.graph.inputs); }},
         {"output", [this](const auto& f) { return tensor(f, model_.graph.outputs); }},
         {"version_policy", to(&Reader::version_policy)},
         {"dynamic_batching", to(&Reader::dynamic_batching)},
         {"instance_group", to(&Reader::instance_group)},
         {"sequence_batching",
          [this](const auto& f) {
            return read_sequence_batching(source_, f, folder_, model_.graph);
          }},
         {"model_warmup",
          [this](const auto& f) { return read_model_warmup(source_, f, folder_, model_.graph); }},
         {"default_model_filename", to(&Reader::model_file)}});
  }

 private:
  Status name(const PbtxtField& field) {
    std::string name;
    if (Status read = read_pbtxt(source_, field, name); !read) return read;
    if (name.empty() || name == folder_name_) return {};
    return source_.wrong(field, fmt::format("is '{}', but the model's folder is '{}'",
                                            name.substr(0, 64), folder_name_));
  }

  Status backend(const PbtxtField& field) {
    std::string name;
    if (Status read = read_pbtxt(source_, field, name); !read) return read;
    if (name.empty()) return {};
    const auto* known = std::ranges::find(kBackends, name, [](const auto& p) { return p.first; });
    const std::string_view has = model_.backend ? model_.backend->name() : "";
    if (known != std::end(kBackends) && known->second == has) return {};
    return source_.wrong(
        field, known == std::end(kBackends)
                   ? fmt::format("'{}' cannot be run here", name.substr(0, 64))
                   : fmt::format("is '{}', but the model's files are for '{}'", name, has));
  }

  // A size says that axis 0 is a batch, 0 that it is none.
  Status max_batch_size(const PbtxtField& field) {
    const auto size = read_pbtxt_integer(source_, field, 0, kMaxBatch);
    if (!size) return std::unexpected(size.error());
    model_.spec.max_batch_size = static_cast<int>(*size);
    model_.spec.batch_axis = *size > 0 ? "0" : "none";
    return {};
  }

  Status tensor(const PbtxtField& field, std::vector<TensorDeclaration>& all) {
    if (Status is = expect_message(source_, field); !is) return is;
    if (all.size() >= kMaxTensors) return source_.wrong(field, "is given too often");
    TensorDeclaration made{.where = fmt::format("config.pbtxt:{}", field.line)};
    const auto warn_if_set = [this](const PbtxtField& f) -> Status {
      if (f.text != "false" && f.text != "FORMAT_NONE") source_.ignored(f, "is not honoured");
      return {};
    };
    const Status read = read_fields(
        source_, field.message,
        {{"name", [&](const auto& f) { return read_pbtxt(source_, f, made.name); }},
         {"data_type", [&](const auto& f) { return read_data_type(source_, f, made.dtype); }},
         {"dims",
          [&](const auto& f) {
            made.has_dims = true;
            return read_dim(source_, f, made.dims);
          }},
         {"reshape", [&](const auto& f) { return reshape(f, made); }},
         {"label_filename", [&](const auto& f) { return labels(f, made); }},
         {"format", warn_if_set},
         {"is_shape_tensor", warn_if_set},
         {"is_non_linear_format_io", warn_if_set},
         {"allow_ragged_batch", warn_if_set},
         {"optional", warn_if_set}});
    if (!read) return read;
    if (made.name.empty()) return source_.wrong(field, "has no name");
    all.push_back(std::move(made));
    return {};
  }

  Status reshape(const PbtxtField& field, TensorDeclaration& out) {
    if (Status is = expect_message(source_, field); !is) return is;
    out.reshape.emplace();
    return read_fields(
        source_, field.message,
        {{"shape", [&](const auto& f) { return read_dim(source_, f, *out.reshape); }}});
  }

  Status labels(const PbtxtField& field, TensorDeclaration& out) {
    std::string file;
    if (Status read = read_pbtxt(source_, field, file); !read) return read;
    const auto text = read_data_file(folder_, file);
    if (!text) return source_.wrong(field, text.error().message);
    std::string_view rest = *text;
    while (!rest.empty()) {
      const auto end = std::min(rest.find('\n'), rest.size());
      std::string_view line = rest.substr(0, end);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (out.labels.size() == kMaxLabels) return source_.wrong(field, "has too many lines");
      out.labels.emplace_back(line);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return {};
  }

  Status version_policy(const PbtxtField& field) {
    if (Status is = expect_message(source_, field); !is) return is;
    VersionPolicy& policy = model_.rules.policy;
    const auto latest = [&](const PbtxtField& f) -> Status {
      policy.kind = VersionPolicy::Kind::latest;
      policy.num_latest = 1;
      return read_fields(source_, f.message, {{"num_versions", number(policy.num_latest, 1)}});
    };
    const auto specific = [&](const PbtxtField& f) -> Status {
      policy.kind = VersionPolicy::Kind::specific;
      return read_fields(source_, f.message,
                         {{"versions", [&](const PbtxtField& v) -> Status {
                             const auto version = read_pbtxt_integer(source_, v, 1, kMaxInt);
                             if (!version) return std::unexpected(version.error());
                             policy.specific.push_back(static_cast<std::uint64_t>(*version));
                             std::ranges::sort(policy.specific);
                             return {};
                           }}});
    };
    return read_fields(source_, field.message,
                       {{"latest", latest},
                        {"all",
                         [&](const auto&) {
                           policy.kind = VersionPolicy::Kind::all;
                           return Status();
                         }},
                        {"specific", specific}});
  }

  Status dynamic_batching(const PbtxtField& field) {
    if (Status is = expect_message(source_, field); !is) return is;
    BatchSettings& batch = model_.graph.batch;
    return read_fields(
        source_, field.message,
        {{"preferred_batch_size", [&](const auto& f) { return preferred_size(source_, f, batch); }},
         {"max_queue_delay_microseconds",
          [&](const auto& f) -> Status {
            const auto delay = read_pbtxt_integer(source_, f, 0, kMaxMicroseconds);
            if (!delay) return std::unexpected(delay.error());
            batch.max_delay = std::chrono::microseconds(*delay);
            return {};
          }},
         {"preserve_ordering",
          [&](const PbtxtField& f) -> Status {
            if (f.text != "false") source_.ignored(f, "is not honoured");
            return {};
          }},
         {"priority_levels", number(batch.priority_levels, 0)},
         {"default_priority_level", number(batch.default_priority, 0)},
         {"default_queue_policy", [&](const auto& f) { return queue_policy(f, batch.queue); }},
         {"priority_queue_policy", [&](const auto& f) { return queue_of_level(f, batch); }}});
  }

  Status queue_policy(const PbtxtField& field, QueueSettings& queue) {
    if (Status is = expect_message(source_, field); !is) return is;
    return read_fields(
        source_, field.message,
        {{"timeout_action",
          [&](const PbtxtField& f) -> Status {
            if (f.text != "DELAY" && f.text != "REJECT" && f.text != "0" && f.text != "1") {
              return source_.wrong(f, "must be REJECT or DELAY");
            }
            queue.late_is_delayed = f.text == "DELAY" || f.text == "1";
            return {};
          }},
         {"default_timeout_microseconds",
          [&](const auto& f) -> Status {
            const auto timeout = read_pbtxt_integer(source_, f, 0, kMaxMicroseconds);
            if (!timeout) return std::unexpected(timeout.error());
            queue.default_timeout = std::chrono::microseconds(*timeout);
            return {};
          }},
         {"allow_timeout_override",
          [&](const PbtxtField& f) -> Status {
            if (f.text != "true")
              source_.ignored(f, "is not honoured: a request may be more urgent");
            return {};
          }},
         {"max_queue_size", number(queue.max_size, 0)}});
  }

  // A map's entry: { key: 1 value: { … } }
  Status queue_of_level(const PbtxtField& field, BatchSettings& batch) {
    if (Status is = expect_message(source_, field); !is) return is;
    if (batch.queue_of.size() >= kMaxTensors) return source_.wrong(field, "is given too often");
    auto& [level, queue] = batch.queue_of.emplace_back(0, QueueSettings{});
    return read_fields(source_, field.message,
                       {{"key", number(level, 1)},
                        {"value", [&](const auto& f) { return queue_policy(f, queue); }}});
  }

  Status instance_group(const PbtxtField& field) {
    if (Status is = expect_message(source_, field); !is) return is;
    int count = 1;
    const Status read = read_fields(source_, field.message,
                                    {{"name", {}},
                                     {"count", number(count, 1)},
                                     {"kind", [&](const auto& f) { return kind(f); }}});
    model_.spec.num_instances = std::min(model_.spec.num_instances + count, 256);
    return read;
  }

  Status kind(const PbtxtField& field) {
    constexpr std::pair<std::string_view, const char*> kKinds[] = {
        {"KIND_AUTO", ""}, {"KIND_CPU", "CPU"}, {"KIND_GPU", "GPU"}, {"KIND_MODEL", ""}};
    const auto* found =
        std::ranges::find(kKinds, field.text, [](const auto& p) { return p.first; });
    if (found == std::end(kKinds)) {
      return source_.wrong(field, "must be KIND_AUTO, KIND_CPU, KIND_GPU or KIND_MODEL");
    }
    model_.spec.device = found->second;
    return {};
  }

  // The scan has looked for it (triton_model_filename).
  Status model_file(const PbtxtField& field) {
    std::string file;
    return read_pbtxt(source_, field, file);
  }

  PbtxtReader number(int& out, int min) {
    return [this, &out, min](const PbtxtField& field) -> Status {
      const auto value = read_pbtxt_integer(source_, field, min, kMaxInt);
      if (!value) return std::unexpected(value.error());
      out = static_cast<int>(*value);
      return {};
    };
  }

  const fs::path& folder_;
  const std::string& folder_name_;
  FoundModel& model_;
  const PbtxtSource source_;
};

}  // namespace

Status apply_triton_config_text(std::string_view text, const fs::path& folder,
                                const std::string& folder_name, FoundModel& model) {
  const auto config = parse_pbtxt(text, "config.pbtxt");
  if (!config) return std::unexpected(config.error());
  return Reader(folder, folder_name, model).whole(*config);
}

std::string triton_model_filename(const fs::path& folder) {
  const auto text = read_file(folder / "config.pbtxt", kMaxPbtxtBytes);
  if (!text) return {};
  const auto config = parse_pbtxt(*text, "config.pbtxt");
  const PbtxtField* field = config ? config->find("default_model_filename") : nullptr;
  const bool plain = field && fs::path(field->text).filename() == field->text;
  return plain ? field->text : std::string();
}

Status apply_triton_config(const fs::path& folder, const std::string& folder_name,
                           FoundModel& model) {
  std::error_code error;
  if (!fs::exists(folder / "config.pbtxt", error)) return {};
  const auto text = read_file(folder / "config.pbtxt", kMaxPbtxtBytes);
  if (!text) return std::unexpected(text.error());
  return apply_triton_config_text(*text, folder, folder_name, model);
}

}  // namespace millrace::serving
