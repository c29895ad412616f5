// `millrace bench tokenizer`: how fast text becomes tokens, on one core.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <memory>
#include <vector>

#include "app/bench_command.h"
#include "backends/native/model_folder.h"
#include "base/file.h"
#include "base/json.h"
#include "base/version.h"
#include "serving/text_model.h"
#include "text/tokenizer.h"

namespace millrace::app {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{256} << 20;

Result<std::unique_ptr<text::Tokenizer>> tokenizer_of_file(const std::filesystem::path& path) {
  const auto json = read_file(path, kMaxBytes);
  if (!json) return invalid(path.string() + ": " + json.error().message);
  return text::tokenizer_from_json(*json);
}

// A tokenizer by itself, or the one of a model.
class Source {
 public:
  static Result<Source> open(const std::string& name) {
    Source source;
    std::filesystem::path path = bench_model_path(name);
    std::error_code ignored;
    if (!backends::is_model_path(path) && std::filesystem::exists(path / "tokenizer.json", ignored))
      path /= "tokenizer.json";
    if (path.extension() == ".json") {
      auto tokenizer = tokenizer_of_file(path);
      if (!tokenizer) return pass(tokenizer);
      source.alone_ = std::move(*tokenizer);
      return source;
    }
    const auto folder = backends::open_model_folder(path);
    if (!folder) return std::unexpected(folder.error());
    auto model = serving::TextModel::build(folder->text);
    if (!model) return pass(model);
    source.model_ = std::move(*model);
    return source;
  }
  const text::Tokenizer& tokenizer() const { return alone_ ? *alone_ : model_->tokenizer(); }

 private:
  std::unique_ptr<text::Tokenizer> alone_;
  std::unique_ptr<serving::TextModel> model_;
};

struct Row {
  std::string model;
  std::size_t tokens = 0;
  int passes = 0;
  double first = 0, median = 0;  // bytes a second: of the first pass, and of all
};

// That this thread has computed: what other programs do on the core is not the tokenizer's.
double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Row measure(const std::string& name, const text::Tokenizer& tokenizer, const std::string& text,
            double seconds) {
  const auto bytes = static_cast<double>(text.size());
  std::vector<double> speeds;
  Row row{.model = name};
  const double start = cpu_seconds();
  for (double began = start; speeds.size() < 3 || began - start < seconds;) {
    row.tokens = tokenizer.encode(text, {.add_special_tokens = false}).size();
    const double ended = cpu_seconds();
    speeds.push_back(bytes / std::max(ended - began, 1e-9));
    began = ended;
  }
  row.passes = static_cast<int>(speeds.size());
  row.first = speeds.front();
  std::ranges::nth_element(speeds, speeds.begin() + static_cast<std::ptrdiff_t>(speeds.size() / 2));
  row.median = speeds[speeds.size() / 2];
  return row;
}

json::object rows_json(const BenchTokenizer& command, std::size_t bytes,
                       const std::vector<Row>& rows) {
  json::object out;
  out["millrace_bench"] = 1;
  out["kind"] = "tokenizer";
  out["version"] = kVersion;
  out["text"] = command.text_file;
  out["text_bytes"] = bytes;
  json::array list;
  for (const Row& row : rows) {
    list.push_back(json::object{{"model", row.model},
                                {"tokens", row.tokens},
                                {"passes", row.passes},
                                {"bytes_per_second", row.median},
                                {"first_pass_bytes_per_second", row.first}});
  }
  out["rows"] = std::move(list);
  return out;
}

}  // namespace

int bench_tokenizer(const BenchTokenizer& command) {
  const auto text = read_file(command.text_file, kMaxBytes);
  if (!text)
    return bench_failed({.kind = ErrorKind::invalid_argument,
                         .message = "--text " + command.text_file + ": " + text.error().message});
  std::vector<Row> rows;
  fmt::print("{} bytes of text, one core\n{:<40}{:>10}{:>12}{:>12}{:>14}\n", text->size(),
             "tokenizer", "tokens", "bytes each", "MB/s", "first pass");
  for (const std::string& name : command.models) {
    const auto source = Source::open(name);
    if (!source) return bench_failed(source.error());
    const Row row = measure(name, source->tokenizer(), *text, command.seconds);
    const std::string shown = name.size() <= 38 ? name : "…" + name.substr(name.size() - 37);
    fmt::print("{:<40}{:>10}{:>12.2f}{:>12.1f}{:>14.1f}\n", shown, row.tokens,
               static_cast<double>(text->size()) /
                   static_cast<double>(std::max<std::size_t>(row.tokens, 1)),
               row.median / 1e6, row.first / 1e6);
    rows.push_back(row);
  }
  const Status done =
      write_whole_file(command.json_file, dump_json(rows_json(command, text->size(), rows)) + "\n");
  return done ? 0 : bench_failed(done.error());
}

}  // namespace millrace::app
