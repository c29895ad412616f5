#include "serving/pipeline/pipeline_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/settings.h"
#include "serving/pipeline/values.h"

namespace millrace::serving {
namespace {

constexpr std::int64_t kMaxConcurrent = 65'536;
constexpr std::int64_t kMaxDim = std::int64_t{1} << 40;

bool is_step_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

// Of an input or output: what a client writes in JSON.
bool is_tensor_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c <= '~'; });
}

class FileReader {
 public:
  explicit FileReader(std::string_view file_name) { file_.file_name = file_name; }

  Result<PipelineFile> read(const TomlValue& document) {
    for (const TomlEntry& entry : *document.get<TomlValue::Table>()) {
      if (Status done = read_key(entry); !done) return pass(done);
    }
    if (file_.inputs.empty()) return wrong(1, "no [input.NAME]: a pipeline needs one");
    if (file_.outputs.empty()) return wrong(1, "no [output.NAME]: a pipeline needs one");
    if (file_.steps.empty()) return wrong(1, "no [[step]]: a pipeline needs one");
    return std::move(file_);
  }

 private:
  std::unexpected<Error> wrong(int line, std::string_view message) const {
    return invalid(fmt::format("{}:{}: {}", file_.file_name, line, message));
  }
  std::unexpected<Error> unknown(const TomlEntry& entry, std::string_view label,
                                 std::string_view known) const {
    return wrong(entry.value.line, fmt::format("{}unknown key \"{}\"; there are {}", label,
                                               entry.key.substr(0, 64), known));
  }

  Status read_key(const TomlEntry& entry) {
    const TomlValue& value = entry.value;
    if (entry.key == "input" || entry.key == "output") return read_tensors(entry);
    if (entry.key == "step") return read_steps(value);
    if (entry.key == "description") {
      return value.get<std::string>() ? Status()
                                      : wrong(value.line, "description must be a string");
    }
    if (entry.key == "task") return read_task(value);
    if (entry.key == "max_concurrent_requests") {
      const auto* number = value.get<std::int64_t>();
      if (!number || *number < 1 || *number > kMaxConcurrent) {
        return wrong(value.line, fmt::format("max_concurrent_requests must be a whole number from "
                                             "1 to {}",
                                             kMaxConcurrent));
      }
      file_.max_concurrent_requests = static_cast<int>(*number);
      return {};
    }
    if (entry.key == "max_request_memory") return read_memory(value);
    return unknown(entry, "",
                   "description, task, max_concurrent_requests, max_request_memory, [input.NAME], "
                   "[[step]], [output.NAME]");
  }

  Status read_task(const TomlValue& value) {
    const auto* task = value.get<std::string>();
    if (!task || (*task != "classify" && *task != "detect")) {
      return wrong(value.line, "task must be \"classify\" or \"detect\"");
    }
    file_.task = *task;
    return {};
  }

  Status read_memory(const TomlValue& value) {
    const auto* text = value.get<std::string>();
    const auto bytes = text ? parse_byte_size(*text) : Result<std::int64_t>(0);
    if (!bytes || *bytes < 1) {
      return wrong(value.line, "max_request_memory must be a size, as \"256MiB\"");
    }
    file_.max_request_bytes = *bytes;
    return {};
  }

  Status read_tensors(const TomlEntry& entry) {
    const bool is_input = entry.key == "input";
    const auto* tensors = entry.value.get<TomlValue::Table>();
    if (!tensors) {
      return wrong(entry.value.line, fmt::format("write [{}.NAME]", entry.key));
    }
    if (tensors->size() > PipelineFile::kMaxTensors) {
      return wrong(entry.value.line,
                   fmt::format("more than {} {}s", PipelineFile::kMaxTensors, entry.key));
    }
    for (const TomlEntry& tensor : *tensors) {
      if (!is_tensor_name(tensor.key)) {
        return wrong(
            tensor.value.line,
            fmt::format("{}: a name has 1 to 128 printable characters and no spaces", entry.key));
      }
      if (!tensor.value.get<TomlValue::Table>()) {
        return wrong(tensor.value.line, fmt::format("write [{}.{}]", entry.key, tensor.key));
      }
      Status done = is_input ? read_input(tensor) : read_output(tensor);
      if (!done) return done;
    }
    return {};
  }

  Status read_input(const TomlEntry& entry) {
    const std::string label = fmt::format("input '{}': ", entry.key);
    FileTensor input{.name = entry.key, .line = entry.value.line};
    bool has_type = false;
    for (const TomlEntry& field : *entry.value.get<TomlValue::Table>()) {
      if (field.key == "dtype") {
        const auto* name = field.value.get<std::string>();
        const auto dtype = name ? dtype_from_name(*name) : std::nullopt;
        if (!dtype) {
          return wrong(field.value.line,
                       label +
                           "dtype must be one of BOOL, UINT8 to UINT64, INT8 to INT64, FP16, "
                           "BF16, FP32, FP64, BYTES");
        }
        input.type.dtype = *dtype;
        has_type = true;
      } else if (field.key == "shape") {
        if (Status done = read_shape(field.value, label, input.type); !done) return done;
      } else {
        return unknown(field, label, "dtype, shape");
      }
    }
    if (!has_type) return wrong(input.line, label + "dtype is missing");
    file_.inputs.push_back(std::move(input));
    return {};
  }

  Status read_shape(const TomlValue& value, const std::string& label, ValueType& type) {
    const auto* dims = value.get<TomlValue::Array>();
    if (!dims || dims->size() > static_cast<std::size_t>(kMaxRank)) {
      return wrong(value.line, fmt::format("{}shape must be a list of at most {} sizes; -1: any",
                                           label, kMaxRank));
    }
    std::vector<std::int64_t> sizes;
    for (const TomlValue& dim : *dims) {
      const auto* size = dim.get<std::int64_t>();
      if (!size || *size < -1 || *size > kMaxDim) {
        return wrong(value.line, label + "shape: a size is a whole number, or -1 for any");
      }
      sizes.push_back(*size);
    }
    type.shape = Shape(sizes);
    type.any_rank = false;
    return {};
  }

  Status read_output(const TomlEntry& entry) {
    const std::string label = fmt::format("output '{}': ", entry.key);
    FileOutput output{.name = entry.key, .from = {}, .line = entry.value.line};
    for (const TomlEntry& field : *entry.value.get<TomlValue::Table>()) {
      if (field.key != "from") return unknown(field, label, "from");
      auto from = source_in(field.value, label + "from: ");
      if (!from) return pass(from);
      output.from = *std::move(from);
    }
    if (output.from.step.empty()) return wrong(output.line, label + "from is missing");
    file_.outputs.push_back(std::move(output));
    return {};
  }

  Result<SourceName> source_in(const TomlValue& value, const std::string& label) const {
    const auto* text = value.get<std::string>();
    if (!text) return wrong(value.line, label + "must be a string, as \"step.output\"");
    auto source = read_source(*text);
    if (!source) return wrong(value.line, label + source.error().message);
    return source;
  }

  Status read_steps(const TomlValue& value) {
    const auto* steps = value.get<TomlValue::Array>();
    if (!steps) return wrong(value.line, "write [[step]], with two brackets");
    if (steps->size() > PipelineFile::kMaxSteps) {
      return wrong(value.line, fmt::format("more than {} steps", PipelineFile::kMaxSteps));
    }
    for (const TomlValue& step : *steps) {
      if (!step.get<TomlValue::Table>()) return wrong(step.line, "write [[step]]");
      if (Status done = read_step(step); !done) return done;
    }
    return {};
  }

  Status read_step(const TomlValue& value) {
    const TomlValue* name = value.find("name");
    const auto* text = name ? name->get<std::string>() : nullptr;
    if (!text || !is_step_name(*text) || *text == "input") {
      return wrong(value.line,
                   "step: name must be 1 to 64 letters, digits, '_' or '-', and not \"input\"");
    }
    FileStep step{.name = *text, .line = value.line};
    step.options.line = value.line;
    TomlValue::Table options;
    for (const TomlEntry& field : *value.get<TomlValue::Table>()) {
      auto known = read_step_key(field, step);
      if (!known) return pass(known);
      if (!*known) options.push_back(field);
    }
    step.options.value = std::move(options);
    const std::string label = fmt::format("step '{}': ", step.name);
    if (step.kind.empty() == step.model.empty()) {
      return wrong(step.line, label + "either model = \"…\" or do = \"…\"");
    }
    if (!step.otherwise.empty() && !step.when) {
      return wrong(step.line, label + "else means nothing without when");
    }
    for (const FileStep& other : file_.steps) {
      if (other.name != step.name) continue;
      return wrong(step.line,
                   fmt::format("{}there is a step of that name in line {}", label, other.line));
    }
    file_.steps.push_back(std::move(step));
    return {};
  }

  // Whether it is a key of every step.
  Result<bool> read_step_key(const TomlEntry& field, FileStep& step) {
    const std::string label = fmt::format("step '{}': {}: ", step.name, field.key);
    const auto text_into = [&](std::string& target) -> Result<bool> {
      const auto* text = field.value.get<std::string>();
      if (!text || text->empty() || text->size() > 256) {
        return wrong(field.value.line, label + "must be a string of 1 to 256 bytes");
      }
      target = *text;
      return true;
    };
    if (field.key == "name") return true;
    if (field.key == "do") return text_into(step.kind);
    if (field.key == "model") return text_into(step.model);
    if (const auto* number = field.value.get<std::int64_t>(); number && field.key == "version") {
      step.version = std::to_string(*number);
      return true;
    }
    if (field.key == "version") return text_into(step.version);
    if (field.key == "inputs") return connections_into(field.value, label, step.inputs);
    if (field.key == "else") return connections_into(field.value, label, step.otherwise);
    if (field.key != "when") return false;
    const auto* text = field.value.get<std::string>();
    auto when = text ? read_condition(*text) : read_condition("");
    if (!when) return wrong(field.value.line, label + when.error().message);
    step.when = *std::move(when);
    return true;
  }

  // "a.b", ["a.b", "c.d"], or { x = "a.b" }.
  Result<bool> connections_into(const TomlValue& value, const std::string& label,
                                std::vector<FileConnection>& target) const {
    const auto add = [&](std::string to, const TomlValue& from) -> Status {
      auto source = source_in(from, label);
      if (!source) return pass(source);
      target.push_back({.to = std::move(to), .from = *std::move(source)});
      return {};
    };
    Status done;
    if (const auto* list = value.get<TomlValue::Array>()) {
      for (std::size_t i = 0; done && i < list->size(); ++i) done = add({}, list->at(i));
    } else if (const auto* table = value.get<TomlValue::Table>()) {
      for (std::size_t i = 0; done && i < table->size(); ++i) {
        done = add(table->at(i).key, table->at(i).value);
      }
    } else {
      done = add({}, value);
    }
    if (!done) return pass(done);
    if (!target.empty() && target.size() <= PipelineFile::kMaxTensors) return true;
    return wrong(value.line, fmt::format("{}1 to {} of them", label, PipelineFile::kMaxTensors));
  }

  PipelineFile file_;
};

}  // namespace

std::string PipelineFile::where(const FileStep& step) const {
  return fmt::format("{}:{}: step '{}'", file_name, step.line, step.name);
}

Result<PipelineFile> read_pipeline(std::string_view text, std::string_view file_name) {
  const auto document = parse_toml_tree(text, file_name);
  if (!document) return std::unexpected(document.error());
  return FileReader(file_name).read(*document);
}

}  // namespace millrace::serving
