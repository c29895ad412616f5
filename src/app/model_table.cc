#include "app/model_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <system_error>

#include "app/backends.h"
#include "app/terminal.h"
#include "backends/native/model_folder.h"
#include "base/log.h"
#include "base/settings.h"
#include "models/registry.h"
#include "models/weight_source.h"
#include "serving/model_scan.h"
#include "serving/text_model.h"

namespace millrace::app {
namespace fs = std::filesystem;
namespace {

// Stored beside the weights of some families, but computed, not learnt.
bool is_buffer(std::string_view tensor) {
  return tensor.ends_with(".attn.bias") || tensor.ends_with(".attn.masked_bias") ||
         tensor.ends_with("rotary_emb.inv_freq") || tensor.ends_with("rope_freqs.weight");
}

// The mask that old GPT-2 files keep under the name of a bias has four dimensions.
std::int64_t count_parameters(const weights::WeightFile& weights) {
  std::int64_t sum = 0;
  for (const std::string& name : weights.names()) {
    const TensorView* tensor = weights.find(name);
    if (tensor && !name.ends_with(models::kScaleSuffix) &&
        !(is_buffer(name) && tensor->shape.rank() != 2))
      sum += tensor->shape.num_elements();
  }
  return sum;
}

std::string tokenizer_kind(const TextAssets& text) {
  if (!text.gguf_kind.empty()) return text.gguf_kind;
  if (!text.tokenizer_json.empty()) return "tokenizer.json";
  return text.vocab_json.empty() ? "" : "vocab.json";
}

void describe_text(const TextAssets& assets, ModelRow& row) {
  row.tokenizer = tokenizer_kind(assets);
  if (row.tokenizer.empty()) {
    row.error = "there is no tokenizer beside the weights";
    return;
  }
  auto text = serving::TextModel::build(assets);
  if (!text) {
    row.error = text.error().message;
    return;
  }
  row.vocab_size = (*text)->tokenizer().vocab_size();
  row.has_template = (*text)->has_chat_template();
}

void describe_native(ModelRow& row) {
  auto folder = backends::open_model_folder(row.path);
  if (!folder) {
    row.error = folder.error().message;
    return;
  }
  row.num_parameters = count_parameters(*folder->weights);
  row.weights = backends::dominant_weight_type(*folder->weights);
  const auto config = models::read_decoder_config(
      {.weights = *folder->weights, .config = folder->gguf ? json::object() : folder->config});
  if (!config) {
    row.error = config.error().message;
    return;
  }
  row.family = config->family;
  row.context = config->max_position;
  describe_text(folder->text, row);
}

ModelRow describe(const serving::FoundModel& found) {
  ModelRow row{.name = found.spec.name, .path = found.spec.path, .bytes = found.file_bytes};
  if (found.backend) row.backend = found.backend->name();
  if (found.error) {
    row.error = found.error->message;
  } else if (row.backend == "native") {
    describe_native(row);
  }
  return row;
}

bool has_ending(const fs::path& folder, std::string_view ending, int at_least) {
  std::error_code error;
  int count = 0;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    count += it->path().filename().string().ends_with(ending) ? 1 : 0;
  return count >= at_least;
}

std::string why_no_model(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return "not a model file that a backend knows";
  if (has_ending(path, ".part", 1)) return "an unfinished download; run its millrace pull again";
  if (has_ending(path, ".gguf", 2)) return "several *.gguf files: one model a folder";
  if (fs::exists(path / "config.json", error)) return "config.json without its *.safetensors";
  if (has_ending(path, ".safetensors", 1)) return "*.safetensors without config.json";
  return "no model in it: neither *.gguf nor config.json with *.safetensors";
}

bool is_within(const fs::path& path, const fs::path& folder) {
  const auto relative = path.lexically_relative(folder);
  return !relative.empty() && *relative.begin() != "..";
}

// Entries of the folder that the scan left out.
void add_left_out(const fs::path& root, const std::vector<serving::FoundModel>& found,
                  std::vector<ModelRow>& rows) {
  std::error_code error;
  for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    const fs::path& path = it->path();
    const std::string file = path.filename().string();
    if (file.starts_with('.') || file.ends_with(".toml")) continue;
    const bool taken = std::ranges::any_of(
        found, [&](const auto& model) { return is_within(model.spec.path, path); });
    if (taken) continue;
    ModelRow row{.name = file, .path = path};
    const std::string name =
        serving::model_name_of(fs::is_directory(path, error) ? file : path.stem().string());
    const bool twice =
        std::ranges::any_of(found, [&](const auto& model) { return model.spec.name == name; });
    row.error = twice ? "there is a model of the name '" + name + "' already" : why_no_model(path);
    rows.push_back(std::move(row));
  }
}

}  // namespace

Result<std::vector<ModelRow>> inspect_models(const fs::path& folder) {
  set_log_level(LogLevel::off);  // the table says it
  const auto backends = make_backends();
  std::vector<Backend*> pointers;
  for (const auto& backend : backends) pointers.push_back(backend.get());
  auto found = serving::scan_models(folder, pointers, {});
  if (!found) return pass(found);
  std::vector<ModelRow> rows;
  for (const auto& model : *found) rows.push_back(describe(model));
  std::error_code error;
  const fs::path root = fs::canonical(folder, error);
  const bool is_model_itself = found->size() == 1 && is_within(root, found->front().spec.path);
  if (fs::is_directory(root, error) && !is_model_itself) add_left_out(root, *found, rows);
  std::ranges::sort(rows, {}, &ModelRow::name);
  return rows;
}

std::string short_count(std::int64_t count) {
  static constexpr std::array<const char*, 4> kUnits{"", "k", "M", "B"};
  auto value = static_cast<double>(count);
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{}", count) : fmt::format("{:.1f}{}", value, kUnits[unit]);
}

std::string format_table(const std::vector<ModelRow>& rows, bool colour) {
  constexpr std::size_t kColumns = 8;
  using Cells = std::array<std::string, kColumns>;
  const auto or_dash = [](bool known, std::string text) { return known ? text : std::string("-"); };
  std::vector<Cells> cells = {
      {"NAME", "FAMILY", "PARAMETERS", "SIZE", "CONTEXT", "WEIGHTS", "TOKENIZER", "TEMPLATE"}};
  std::vector<const ModelRow*> broken;
  for (const ModelRow& row : rows) {
    if (!row.error.empty()) {
      broken.push_back(&row);
      continue;
    }
    cells.push_back(
        {row.name, or_dash(true, row.family.empty() ? row.backend : row.family),
         or_dash(row.num_parameters > 0, short_count(row.num_parameters)),
         format_byte_size(row.bytes), or_dash(row.context > 0, fmt::format("{}", row.context)),
         or_dash(!row.weights.empty(), row.weights),
         or_dash(!row.tokenizer.empty(), fmt::format("{} ({})", row.tokenizer, row.vocab_size)),
         or_dash(row.backend == "native", row.has_template ? "yes" : "no")});
  }
  std::array<std::size_t, kColumns> widths{};
  for (const Cells& line : cells) {
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (std::size_t line = 0; cells.size() > 1 && line < cells.size(); ++line) {
    std::string out;
    for (std::size_t i = 0; i < kColumns; ++i) {
      const bool right = i >= 2 && i <= 4;
      out += right ? fmt::format("{:>{}}", cells[line][i], widths[i])
                   : fmt::format("{:<{}}", cells[line][i], widths[i]);
      out += "  ";
    }
    out.erase(out.find_last_not_of(' ') + 1);
    text += (line == 0 ? coloured(out, Colour::bold, colour) : out) + "\n";
  }
  for (const ModelRow* row : broken) {
    text +=
        fmt::format("{} {}: {}\n", coloured("cannot be served:", Colour::red, colour),
                    escape_control_characters(row->name), escape_control_characters(row->error));
  }
  return text;
}

json::value table_json(const std::vector<ModelRow>& rows) {
  json::array models;
  for (const ModelRow& row : rows) {
    json::object model{{"name", row.name}, {"path", row.path.string()}, {"bytes", row.bytes}};
    const auto add = [&](const char* key, bool known, json::value value) {
      model[key] = known ? std::move(value) : json::value(nullptr);
    };
    add("backend", !row.backend.empty(), json::value(row.backend));
    add("family", !row.family.empty(), json::value(row.family));
    add("parameters", row.num_parameters > 0, json::value(row.num_parameters));
    add("context", row.context > 0, json::value(row.context));
    add("weights", !row.weights.empty(), json::value(row.weights));
    add("tokenizer", !row.tokenizer.empty(), json::value(row.tokenizer));
    add("vocab_size", row.vocab_size > 0, json::value(row.vocab_size));
    model["chat_template"] = row.has_template;
    add("error", !row.error.empty(), json::value(row.error));
    models.push_back(std::move(model));
  }
  return json::object{{"models", std::move(models)}};
}

}  // namespace millrace::app
