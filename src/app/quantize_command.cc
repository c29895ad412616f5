#include "app/quantize_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "app/bench_command.h"
#include "app/progress_bar.h"
#include "app/terminal.h"
#include "app/text_tokens.h"
#include "backends/native/model_folder.h"
#include "base/log.h"
#include "base/settings.h"
#include "kernels/select.h"
#include "optimize/quantise_model.h"
#include "optimize/self_text.h"
#include "optimize/write_model.h"

namespace millrace::app {
namespace fs = std::filesystem;
namespace {

// Where the result goes. A GGUF file alone, or a folder with what lay beside the weights.
struct Output {
  fs::path folder;  // to be made; empty for a lone file
  fs::path file;
  weights::FileFormat format;
};

Result<Output> plan_output(const QuantizeCommand& command, const backends::ModelFolder& model,
                           const fs::path& source) {
  const fs::path path = command.output;
  std::error_code ignored;
  if (fs::exists(path, ignored)) return invalid("--output " + command.output + " exists already");
  if (!model.gguf) {
    if (path.extension() == ".gguf") {
      return invalid("--output: safetensors become a folder; name one without .gguf");
    }
    return Output{path, path / "model.safetensors", weights::FileFormat::safetensors};
  }
  if (path.extension() == ".gguf") return Output{{}, path, weights::FileFormat::gguf};
  const std::string stem =
      fs::is_directory(source, ignored) ? path.filename().string() : source.stem().string();
  return Output{path, path / (stem + "-" + command.kind + ".gguf"), weights::FileFormat::gguf};
}

// Configuration, tokenizer, templates, licence: what is small and no weights.
Status copy_company(const fs::path& from, const fs::path& to) {
  static constexpr std::array<std::string_view, 6> kKinds = {".json",  ".txt", ".jinja",
                                                             ".model", ".md",  ""};
  std::error_code failed;
  for (fs::directory_iterator it(from, failed), end; !failed && it != end; it.increment(failed)) {
    const std::string name = it->path().filename().string();
    const bool wanted = std::ranges::find(kKinds, it->path().extension().string()) != kKinds.end();
    if (!wanted || name.ends_with(".index.json") || name.starts_with('.')) continue;
    std::error_code ignored;
    if (!it->is_regular_file(ignored)) continue;
    if (!fs::copy_file(it->path(), to / name, failed)) break;
  }
  if (failed) return invalid(to.string() + ": " + failed.message());
  return {};
}

class Work {
 public:
  Work(const QuantizeCommand& command, const kernels::Kernels& table)
      : command_(command),
        table_(table),
        pool_(static_cast<int>(command.threads)),
        bar_(stderr, is_terminal(stderr)) {}

  Status run() {
    const fs::path source = bench_model_path(command_.model);
    auto folder = backends::open_model_folder(source);
    if (!folder) return pass(folder);
    const auto output = plan_output(command_, *folder, source);
    if (!output) return std::unexpected(output.error());
    const auto config = models::read_decoder_config({*folder->weights, folder->config});
    if (!config) return std::unexpected(config.error());
    context_ = std::min(static_cast<int>(command_.context), config->max_position);
    const auto tokens = calibration(*folder);
    if (!tokens) return std::unexpected(tokens.error());
    auto model = quantise(*folder, *tokens);
    if (!model) return pass(model);
    bar_.clear();
    const auto written = write(*folder, *model, *output, source);
    if (!written) return std::unexpected(written.error());
    print(*folder, *model, *written, tokens->size());
    return {};
  }

 private:
  Result<std::vector<TokenId>> calibration(const backends::ModelFolder& folder) {
    if (!command_.text_file.empty()) {
      constexpr std::size_t kFewest = 64;
      return read_text_tokens(command_.text_file, folder, kFewest,
                              static_cast<std::size_t>(command_.tokens));
    }
    Exec exec(pool_, Precision::standard);
    kernels::Ops ops{table_, exec};
    show("loading", 0);
    auto model = models::build_causal_model({*folder.weights, folder.config}, ops,
                                            {.max_position = context_, .progress = {}});
    if (!model) return pass(model);
    const auto windows = std::max<std::int64_t>(1, command_.tokens / context_);
    return optimize::write_text(
        **model, ops,
        {.windows = static_cast<int>(windows), .context = context_, .progress = [&](double done) {
           show("writing text", kTextShare * done);
         }});
  }

  Result<optimize::QuantisedModel> quantise(const backends::ModelFolder& folder,
                                            const std::vector<TokenId>& tokens) {
    Exec exec(pool_, Precision::exact);
    kernels::Ops ops{table_, exec};
    const double before = command_.text_file.empty() ? kTextShare : 0;
    return optimize::quantise_model({*folder.weights, folder.config}, ops, tokens,
                                    {.quantization = *models::quantization_from(command_.kind),
                                     .pure = command_.pure,
                                     .context = context_,
                                     .rounding = {},
                                     .progress = [&](const std::string& step, double done) {
                                       show(step, before + (1 - before) * done);
                                     }});
  }

  Result<optimize::WrittenModel> write(const backends::ModelFolder& folder,
                                       const optimize::QuantisedModel& model, const Output& output,
                                       const fs::path& source) {
    if (!output.folder.empty()) {
      std::error_code failed;
      fs::create_directories(output.folder, failed);
      if (failed) return invalid(command_.output + ": " + failed.message());
      const bool alone = folder.gguf && !fs::is_directory(source);
      const fs::path from = fs::is_directory(source) ? source : source.parent_path();
      if (!alone) {  // a lone GGUF file may lie among others' files
        if (Status copied = copy_company(from, output.folder); !copied) return pass(copied);
      }
    }
    return optimize::write_model(*folder.weights, model, command_.kind, output.format, output.file);
  }

  void print(const backends::ModelFolder& folder, const optimize::QuantisedModel& model,
             const optimize::WrittenModel& written, std::size_t num_tokens) const {
    const auto worst = std::ranges::max_element(
        model.tensors, {}, [](const auto& tensor) { return tensor.second.error; });
    fmt::print("{} of {}, fitted on {} tokens of {}\n", command_.kind, command_.model, num_tokens,
               command_.text_file.empty() ? "its own" : command_.text_file);
    fmt::print(
        "{:<22}{:.2f}\n", "bits a weight",
        8.0 * static_cast<double>(written.weight_bytes) / static_cast<double>(written.num_weights));
    fmt::print("{:<22}{} → {}\n", "size",
               format_byte_size(static_cast<std::int64_t>(folder.weights->num_bytes())),
               format_byte_size(static_cast<std::int64_t>(written.file_bytes)));
    fmt::print("{:<22}{:.2f} % ({})\n", "largest error", 100 * worst->second.error, worst->first);
    fmt::print("try it:      millrace run {}\n", command_.output);
    fmt::print("measure it:  millrace bench accuracy {} --exact-model {} --text FILE\n",
               command_.output, command_.model);
  }

  void show(const std::string& step, double done) { bar_.show(command_.model, step, done); }

  static constexpr double kTextShare = 0.3;

  const QuantizeCommand& command_;
  const kernels::Kernels& table_;
  ComputePool pool_;
  ProgressBar bar_;
  int context_ = 0;
};

}  // namespace

int quantize_command(const QuantizeCommand& command) {
  set_log_level(LogLevel::warn);
  const auto failed = [](const Error& error) {
    fmt::print(stderr, "millrace: {}\n", error.message);
    return 1;
  };
  const auto table = kernels::select_kernels(command.cpu_isa);
  if (!table) return failed(table.error());
  const Status done = Work(command, **table).run();
  return done ? 0 : failed(done.error());
}

}  // namespace millrace::app
