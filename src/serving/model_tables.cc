#include "serving/model_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/toml_tree.h"

namespace millrace::serving {
namespace {

constexpr std::size_t kMaxDataBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxLabels = 1024;
constexpr std::size_t kMaxTables = 256;

struct Name {
  const char* text;
  DType dtype;
};
constexpr Name kNames[] = {
    {"FP32", DType::f32},     {"FP16", DType::f16},    {"BF16", DType::bf16},
    {"FP64", DType::f64},     {"INT8", DType::i8},     {"INT16", DType::i16},
    {"INT32", DType::i32},    {"INT64", DType::i64},   {"UINT8", DType::u8},
    {"UINT16", DType::u16},   {"UINT32", DType::u32},  {"UINT64", DType::u64},
    {"BOOL", DType::boolean}, {"BYTES", DType::bytes}, {"STRING", DType::bytes},
};

// One table of a file: its keys are read by name, and those left over are an error.
class Table {
 public:
  Table(const TomlValue& value, const std::string& file, std::string_view name)
      : value_(value), label_(fmt::format("{}:{}: {}", file, value.line, name)) {}

  std::unexpected<Error> wrong(std::string_view key, std::string_view expected) const {
    return invalid(fmt::format("{}: '{}' must be {}", label_, key, expected), std::string(key));
  }
  Status check_keys(std::initializer_list<std::string_view> known) const {
    const auto* entries = value_.get<TomlValue::Table>();
    if (!entries) return invalid(fmt::format("{} must be a table", label_));
    for (const TomlEntry& entry : *entries) {
      if (std::ranges::find(known, entry.key) == known.end()) {
        return invalid(fmt::format("{}: unknown key \"{}\"", label_, entry.key), entry.key);
      }
    }
    return {};
  }
  const TomlValue* find(std::string_view key) const { return value_.find(key); }

  Status text(std::string_view key, std::string& out, bool required = false) const {
    const TomlValue* value = find(key);
    if (!value && !required) return {};
    const auto* text = value ? value->get<std::string>() : nullptr;
    if (!text || text->empty()) return wrong(key, "a text");
    out = *text;
    return {};
  }
  Status integer(std::string_view key, int& out, std::int64_t min, std::int64_t max) const {
    const TomlValue* value = find(key);
    if (!value) return {};
    const auto* number = value->get<std::int64_t>();
    if (!number || *number < min || *number > max) {
      return wrong(key, fmt::format("a whole number from {} to {}", min, max));
    }
    out = static_cast<int>(*number);
    return {};
  }
  Status number(std::string_view key, double& out) const {
    const TomlValue* value = find(key);
    if (!value) return {};
    if (const auto* truth = value->get<bool>()) {
      out = *truth ? 1 : 0;
    } else if (const auto* whole = value->get<std::int64_t>()) {
      out = static_cast<double>(*whole);
    } else if (const auto* real = value->get<double>()) {
      out = *real;
    } else {
      return wrong(key, "a number");
    }
    return {};
  }
  Status dims(std::string_view key, std::vector<std::int64_t>& out) const {
    const TomlValue* value = find(key);
    if (!value) return {};
    const auto* list = value->get<TomlValue::Array>();
    const auto is_dim = [](const TomlValue& dim) {
      const auto* size = dim.get<std::int64_t>();
      return size && *size >= -1;
    };
    if (!list || list->size() > static_cast<std::size_t>(kMaxRank) ||
        !std::ranges::all_of(*list, is_dim)) {
      return wrong(key, fmt::format("a list of at most {} sizes, -1 for any", kMaxRank));
    }
    out.clear();
    for (const TomlValue& dim : *list) out.push_back(*dim.get<std::int64_t>());
    return {};
  }
  Status datatype(std::string_view key, std::optional<DType>& out) const {
    std::string name;
    if (Status read = text(key, name); !read || name.empty()) return read;
    out = parse_datatype(name);
    if (!out) return wrong(key, "a type such as FP32 or INT64");
    return {};
  }

 private:
  const TomlValue& value_;
  std::string label_;
};

// Ends with the first that failed.
Status first_error(std::initializer_list<Status> all) {
  for (const Status& done : all) {
    if (!done) return done;
  }
  return {};
}

Result<std::vector<std::byte>> data_of(const SettingsFile& file, const std::string& name) {
  auto text = read_data_file(file.folder, name);
  if (!text) return pass(text);
  const auto bytes = std::as_bytes(std::span(*text));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Status add_state(const SettingsFile& file, const Table& table, FoundModel& model) {
  if (Status keys = table.check_keys({"input", "output", "datatype", "dims", "initial"}); !keys) {
    return keys;
  }
  StateTensor state;
  std::string initial = "zero";
  if (Status read = first_error({table.text("input", state.input, true),
                                 table.text("output", state.output, true),
                                 table.datatype("datatype", state.dtype),
                                 table.dims("dims", state.dims), table.text("initial", initial)});
      !read) {
    return read;
  }
  if (initial != "zero") {
    auto data = data_of(file, initial);
    if (!data) return pass(data);
    state.initial = *std::move(data);
  }
  model.graph.sequence.enabled = true;
  model.graph.sequence.states.push_back(std::move(state));
  return {};
}

Status add_control(const SettingsFile&, const Table& table, FoundModel& model) {
  if (Status keys = table.check_keys({"kind", "input", "off", "on"}); !keys) return keys;
  ControlInput control;
  std::string kind;
  if (Status read =
          first_error({table.text("kind", kind, true), table.text("input", control.input, true),
                       table.number("off", control.off), table.number("on", control.on)});
      !read) {
    return read;
  }
  constexpr std::pair<std::string_view, SequenceControl> kKinds[] = {
      {"start", SequenceControl::start},
      {"ready", SequenceControl::ready},
      {"end", SequenceControl::end},
      {"id", SequenceControl::id}};
  const auto* found = std::ranges::find(kKinds, kind, [](const auto& pair) { return pair.first; });
  if (found == std::end(kKinds)) return table.wrong("kind", "start, ready, end or id");
  control.control = found->second;
  model.graph.sequence.enabled = true;
  model.graph.sequence.controls.push_back(std::move(control));
  return {};
}

Status read_warmup_input(const SettingsFile& file, const Table& table, WarmupInput& input) {
  if (Status keys = table.check_keys({"name", "datatype", "dims", "data"}); !keys) return keys;
  std::string data = "zero";
  if (Status read = first_error({table.text("name", input.name, true),
                                 table.datatype("datatype", input.dtype),
                                 table.dims("dims", input.dims), table.text("data", data)});
      !read) {
    return read;
  }
  if (data == "zero") return {};
  if (data == "random") {
    input.fill = WarmupInput::Fill::random;
    return {};
  }
  auto bytes = data_of(file, data);
  if (!bytes) return pass(bytes);
  input.fill = WarmupInput::Fill::file;
  input.data = *std::move(bytes);
  return {};
}

Status add_warmup(const SettingsFile& file, const Table& table, FoundModel& model) {
  if (Status keys = table.check_keys({"name", "rows", "count", "input"}); !keys) return keys;
  WarmupSample sample;
  if (Status read = first_error({table.text("name", sample.name),
                                 table.integer("rows", sample.rows, 1, 65536),
                                 table.integer("count", sample.count, 1, 10'000)});
      !read) {
    return read;
  }
  if (const TomlValue* inputs = table.find("input")) {
    const auto* list = inputs->get<TomlValue::Array>();
    if (!list || list->size() > kMaxTables) return table.wrong("input", "a list of tables");
    for (const TomlValue& value : *list) {
      const Table inner(value, file.name, "[[warmup.input]]");
      if (Status read = read_warmup_input(file, inner, sample.inputs.emplace_back()); !read) {
        return read;
      }
    }
  }
  model.graph.warmup.push_back(std::move(sample));
  return {};
}

Status read_labels(const SettingsFile& file, const TomlValue& value, FoundModel& model) {
  const auto* table = value.get<TomlValue::Table>();
  if (!table || table->size() > kMaxLabels) {
    return invalid(fmt::format("{}:{}: [version-labels] must be a table of at most {} labels",
                               file.name, value.line, kMaxLabels));
  }
  for (const auto& [label, version] : *table) {
    const auto* number = version.get<std::int64_t>();
    if (!number || *number < 1 || version_number(label) != 0) {
      return invalid(fmt::format("{}:{}: [version-labels]: a label is a word and a version's "
                                 "number: stable = 3",
                                 file.name, version.line),
                     label);
    }
    model.rules.labels[label] = static_cast<std::uint64_t>(*number);
  }
  return {};
}

}  // namespace

std::optional<DType> parse_datatype(std::string_view name) {
  if (name.starts_with("TYPE_")) name.remove_prefix(5);
  const auto* found =
      std::ranges::find(kNames, name, [](const Name& n) { return std::string_view(n.text); });
  if (found == std::end(kNames)) return std::nullopt;
  return found->dtype;
}

Result<std::vector<int>> batch_sizes(const std::vector<double>& given) {
  std::vector<int> sizes;
  for (const double size : given) {
    if (!(size >= 1 && size <= 65'536) || size != std::floor(size)) {
      return invalid("preferred-batch-sizes must be sizes from 1 to 65536: [4, 8]",
                     "preferred-batch-sizes");
    }
    sizes.push_back(static_cast<int>(size));
  }
  std::ranges::sort(sizes);
  const auto repeated = std::ranges::unique(sizes);
  sizes.erase(repeated.begin(), repeated.end());
  return sizes;
}

Result<std::string> read_data_file(const std::filesystem::path& folder, const std::string& name) {
  const auto path = resolve_beneath(folder, name);
  if (!path) return std::unexpected(path.error());
  return read_file(*path, kMaxDataBytes);
}

Status apply_model_tables(const SettingsFile& file, FoundModel& model) {
  const auto document = parse_toml_tree(file.text, file.name);
  if (!document) return std::unexpected(document.error());
  using Add = Status (*)(const SettingsFile&, const Table&, FoundModel&);
  constexpr std::pair<const char*, Add> kLists[] = {
      {"state", add_state}, {"control", add_control}, {"warmup", add_warmup}};
  if (document->find("state")) model.graph.sequence.states.clear();
  if (document->find("control")) model.graph.sequence.controls.clear();
  if (document->find("warmup")) model.graph.warmup.clear();
  for (const auto& [key, add] : kLists) {
    const TomlValue* value = document->find(key);
    if (!value) continue;
    const auto* list = value->get<TomlValue::Array>();
    if (!list || list->size() > kMaxTables) {
      return invalid(
          fmt::format("{}:{}: write [[{}]], once for each", file.name, value->line, key));
    }
    for (const TomlValue& entry : *list) {
      const Table table(entry, file.name, fmt::format("[[{}]]", key));
      if (Status done = add(file, table, model); !done) return done;
    }
  }
  for (const char* key : {"version-labels", "version_labels"}) {
    if (const TomlValue* labels = document->find(key)) {
      if (Status done = read_labels(file, *labels, model); !done) return done;
    }
  }
  return {};
}

}  // namespace millrace::serving
