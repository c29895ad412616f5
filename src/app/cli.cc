#include "app/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>
#include <sstream>
#include <utility>
#include <vector>

namespace millrace::app {
namespace {

// The flags of one subcommand, kept as text until file and environment were applied.
struct GivenFlags {
  std::vector<std::pair<std::string, std::string>> values;
  std::string config_file;
};

void add_flags(CLI::App& command, const Settings& settings, GivenFlags& given) {
  for (const Setting& setting : settings.all()) {
    const std::string help = setting.default_text.empty()
                                 ? setting.help
                                 : setting.help + " [" + setting.default_text + "]";
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
          ->group(shows_off ? "" : "Options");
      command.add_flag_function("--no-" + setting.name, off, "Do not: " + setting.help)
          ->group(shows_off ? "Options" : "");
    } else {
      command
          .add_option_function<std::string>(
              "--" + setting.name,
              [&given, name = setting.name](const std::string& text) {
                given.values.emplace_back(name, text);
              },
              help)
          ->type_name(setting.value_name);
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

}  // namespace

Command parse_command_line(int argc, const char* const* argv) {
  CLI::App program("Millrace serves language models and other networks over the OpenAI API.",
                   "millrace");
  program.require_subcommand(1);
  program.get_formatter()->column_width(36);

  ServeCommand serve;
  Settings serve_settings;
  GivenFlags serve_flags;
  declare_settings(serve_settings, serve.config);
  CLI::App* serve_app = program.add_subcommand("serve", "Serve every model of a folder.");
  serve_app
      ->add_option("models_dir", serve.config.models_dir,
                   "Folder whose sub-folders are models. [models]")
      ->type_name("DIR");
  add_flags(*serve_app, serve_settings, serve_flags);

  RunCommand run;
  Settings run_settings;
  GivenFlags run_flags;
  run.config.log_level = "warn";
  declare_model_settings(run_settings, run.config);
  CLI::App* run_app = program.add_subcommand("run", "Ask one model here, without a server.");
  run_app->add_option("model", run.model, "Model folder, file, or name below models/.")->required();
  run_app->add_option("prompt", run.prompt,
                      "The question; without it, lines of standard input are.");
  run_app->add_option("--system", run.system, "System message.")->type_name("TEXT");
  run_app->add_option("--max-tokens", run.max_tokens, "Longest answer.")->type_name("N");
  run_app->add_option("--temperature", run.temperature, "0: always the most likely token.")
      ->type_name("X");
  run_app->add_option("--seed", run.seed, "Makes a sampled answer repeatable.")->type_name("N");
  run_app->add_flag("--stats", run.stats, "Show tokens per second and times.");
  add_flags(*run_app, run_settings, run_flags);

  CLI::App* version_app =
      program.add_subcommand("version", "Show the version and the kernels that will run.");

  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    const int code = program.exit(error, out, out);
    return ExitCommand{code == 0 ? 0 : kExitUsage, out.str()};
  }
  if (version_app->parsed()) return VersionCommand{};
  if (run_app->parsed()) {
    if (Status done = apply_all(run_settings, run_flags); !done) return config_error(done.error());
    return run;
  }
  if (Status done = apply_all(serve_settings, serve_flags); !done)
    return config_error(done.error());
  if (Status done = check_config(serve.config); !done) return config_error(done.error());
  return serve;
}

}  // namespace millrace::app
