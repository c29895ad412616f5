#include "serving/model_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/toml.h"

namespace millrace::serving {
namespace {

constexpr std::size_t kMaxDataBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxSizes = 64;
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
  Table(const json::value& value, std::string label)
      : object_(value.if_object()), label_(std::move(label)) {}

  std::unexpected<Error> wrong(std::string_view key, std::string_view expected) const {
    return invalid(fmt::format("{}: '{}' must be {}", label_, key, expected), std::string(key));
  }
  Status check_keys(std::initializer_list<std::string_view> known) const {
    if (!object_) return invalid(fmt::format("{} must be a table", label_));
    for (const auto& [key, value] : *object_) {
      if (std::ranges::find(known, std::string_view(key)) == known.end()) {
        return invalid(fmt::format("{}: unknown key \"{}\"", label_, std::string_view(key)),
                       std::string(key));
      }
    }
    return {};
  }
  const json::value* find(std::string_view key) const { return object_->if_contains(key); }

  Status text(std::string_view key, std::string& out, bool required = false) const {
    const json::value* value = find(key);
    if (!value && !required) return {};
    if (!value || !value->is_string() || value->as_string().empty()) {
      return wrong(key, "a text");
    }
    out = value->as_string();
    return {};
  }
  Status integer(std::string_view key, int& out, std::int64_t min, std::int64_t max) const {
    const json::value* value = find(key);
    if (!value) return {};
    const auto* number = value->if_int64();
    if (!number || *number < min || *number > max) {
      return wrong(key, fmt::format("a whole number from {} to {}", min, max));
    }
    out = static_cast<int>(*number);
    return {};
  }
  Status number(std::string_view key, double& out) const {
    const json::value* value = find(key);
    if (!value) return {};
    if (value->is_bool()) {
      out = value->as_bool() ? 1 : 0;
    } else if (value->is_number()) {
      out = value->to_number<double>();
    } else {
      return wrong(key, "a number");
    }
    return {};
  }
  Status dims(std::string_view key, std::vector<std::int64_t>& out) const {
    const json::value* value = find(key);
    if (!value) return {};
    const auto* list = value->if_array();
    const auto is_dim = [](const json::value& dim) {
      return dim.is_int64() && dim.as_int64() >= -1;
    };
    if (!list || list->size() > static_cast<std::size_t>(kMaxRank) ||
        !std::ranges::all_of(*list, is_dim)) {
      return wrong(key, fmt::format("a list of at most {} sizes, -1 for any", kMaxRank));
    }
    out.clear();
    for (const json::value& dim : *list) out.push_back(dim.as_int64());
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
  const json::object* object_;
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
  if (const json::value* inputs = table.find("input")) {
    const auto* list = inputs->if_array();
    if (!list || list->size() > kMaxTables) return table.wrong("input", "a list of tables");
    for (const json::value& value : *list) {
      const Table inner(value, fmt::format("{}: [[warmup.input]]", file.name));
      if (Status read = read_warmup_input(file, inner, sample.inputs.emplace_back()); !read) {
        return read;
      }
    }
  }
  model.graph.warmup.push_back(std::move(sample));
  return {};
}

Status read_labels(const SettingsFile& file, const json::value& value, FoundModel& model) {
  const auto* table = value.if_object();
  if (!table || table->size() > kMaxLabels) {
    return invalid(fmt::format("{}: [version-labels] must be a table of at most {} labels",
                               file.name, kMaxLabels));
  }
  for (const auto& [label, version] : *table) {
    const auto* number = version.if_int64();
    if (!number || *number < 1 || version_number(label) != 0) {
      return invalid(fmt::format("{}: [version-labels]: a label is a word and a version's number: "
                                 "stable = 3",
                                 file.name),
                     std::string(label));
    }
    model.rules.labels[std::string(label)] = static_cast<std::uint64_t>(*number);
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

Result<std::vector<int>> parse_sizes(std::string_view text) {
  std::vector<int> sizes;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    std::string_view word = text.substr(0, comma);
    while (word.starts_with(' ')) word.remove_prefix(1);
    const std::uint64_t size = version_number(word);
    if (size == 0 || size > 65'536 || sizes.size() == kMaxSizes) {
      return invalid("preferred-batch-sizes must be sizes from 1 to 65536: [4, 8]",
                     "preferred-batch-sizes");
    }
    sizes.push_back(static_cast<int>(size));
    text.remove_prefix(std::min(comma + 1, text.size()));
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
  auto document = parse_toml(file.text, file.name);
  if (!document) return pass(document);
  using Add = Status (*)(const SettingsFile&, const Table&, FoundModel&);
  constexpr std::pair<const char*, Add> kLists[] = {
      {"state", add_state}, {"control", add_control}, {"warmup", add_warmup}};
  if (document->contains("state")) model.graph.sequence.states.clear();
  if (document->contains("control")) model.graph.sequence.controls.clear();
  if (document->contains("warmup")) model.graph.warmup.clear();
  for (const auto& [key, add] : kLists) {
    const json::value* value = document->if_contains(key);
    if (!value) continue;
    const auto* list = value->if_array();
    if (!list || list->size() > kMaxTables) {
      return invalid(fmt::format("{}: write [[{}]], once for each", file.name, key));
    }
    for (const json::value& entry : *list) {
      const Table table(entry, fmt::format("{}: [[{}]]", file.name, key));
      if (Status done = add(file, table, model); !done) return done;
    }
  }
  for (const char* key : {"version-labels", "version_labels"}) {
    if (const json::value* labels = document->if_contains(key)) {
      if (Status done = read_labels(file, *labels, model); !done) return done;
    }
  }
  return {};
}

}  // namespace millrace::serving
