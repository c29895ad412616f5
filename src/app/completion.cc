#include "app/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace millrace::app {
namespace {

enum class Values { none, words, files, folders, free };

Values values_of(const OptionInfo& option) {
  if (option.value_name.empty()) return Values::none;
  if (!choices_of(option).empty()) return Values::words;
  if (option.value_name == "FILE" || option.value_name == "MODEL") return Values::files;
  return option.value_name == "DIR" ? Values::folders : Values::free;
}

// 'text', with what the quotes would end escaped.
std::string quoted(const std::string& text, std::string_view quote_escape) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += quote_escape;
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::vector<std::string> names_of(const std::vector<OptionInfo>& options, bool with_value) {
  std::vector<std::string> names;
  for (const OptionInfo& option : options) {
    if (!option.positional && (!with_value || !option.value_name.empty()))
      names.push_back(option.name);
  }
  return names;
}

std::vector<std::string> command_names(const CommandTree& program) {
  std::vector<std::string> names;
  for (const CommandTree& command : program.commands) names.push_back(command.name);
  return names;
}

// What bash offers where a value of this option goes.
std::string bash_values(const OptionInfo& option) {
  switch (values_of(option)) {
    case Values::words:
      return fmt::format("mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$cur\")",
                         fmt::join(choices_of(option), " "));
    case Values::files:
      return "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")";
    case Values::folders:
      return "mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")";
    case Values::none:
    case Values::free:
      break;
  }
  return ":";
}

std::string bash_command(const CommandTree& command, int word);

// What follows the word of that number: a sub-command, then what is its own.
std::string bash_commands(const CommandTree& parent, int word) {
  std::string text = fmt::format(
      "  if [[ $COMP_CWORD -eq {0} ]]; then\n"
      "    mapfile -t COMPREPLY < <(compgen -W '{1} --help' -- \"$cur\")\n"
      "    return\n"
      "  fi\n"
      "  case \"${{COMP_WORDS[{0}]}}\" in\n",
      word, fmt::join(command_names(parent), " "));
  for (const CommandTree& command : parent.commands) text += bash_command(command, word);
  return text + "  esac\n";
}

std::string bash_command(const CommandTree& command, int word) {
  if (!command.commands.empty()) {
    return fmt::format("    {})\n{}  ;;\n", command.name, bash_commands(command, word + 1));
  }
  std::string text = fmt::format("    {})\n      case \"$prev\" in\n", command.name);
  std::string positional = ":";
  for (const OptionInfo& option : command.options) {
    if (option.positional) {
      if (positional == ":") positional = bash_values(option);
    } else if (!option.value_name.empty()) {
      text += fmt::format("        {}) {}; return ;;\n", option.name, bash_values(option));
    }
  }
  text += fmt::format(
      "      esac\n"
      "      if [[ $cur == -* ]]; then\n"
      "        mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$cur\")\n"
      "      else\n"
      "        {}\n"
      "      fi ;;\n",
      fmt::join(names_of(command.options, false), " "), positional);
  return text;
}

std::string bash_script(const CommandTree& program) {
  std::string text = fmt::format(
      "# bash completion for {0}: source <({0} completion bash)\n"
      "_{0}() {{\n"
      "  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}\n"
      "  COMPREPLY=()\n",
      program.name);
  text += bash_commands(program, 1);
  return text + fmt::format("}}\ncomplete -o filenames -F _{0} {0}\n", program.name);
}

constexpr std::string_view kZshQuote = "'\\''";
constexpr std::string_view kFishQuote = "\\'";

// Brackets and colons end a specification of zsh's _arguments.
std::string zsh_escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_values(const OptionInfo& option) {
  switch (values_of(option)) {
    case Values::words:
      return fmt::format(":{}:({})", zsh_escaped(option.name), fmt::join(choices_of(option), " "));
    case Values::files:
      return fmt::format(":{}:_files", zsh_escaped(option.value_name));
    case Values::folders:
      return fmt::format(":{}:_files -/", zsh_escaped(option.value_name));
    case Values::free:
      return fmt::format(":{}: ", zsh_escaped(option.value_name));
    case Values::none:
      break;
  }
  return "";
}

std::string zsh_arguments(const CommandTree& command) {
  std::string text = "_arguments -S";
  int position = 1;
  for (const OptionInfo& option : command.options) {
    const std::string spec =
        option.positional
            ? fmt::format("{}{}", position++, zsh_values(option))
            : fmt::format("{}[{}]{}", option.name, zsh_escaped(option.help), zsh_values(option));
    text += " \\\n      " + quoted(spec, kZshQuote);
  }
  return text;
}

// A sub-command, then what is its own.
std::string zsh_commands(const CommandTree& parent) {
  std::string text = "  commands=(\n";
  for (const CommandTree& command : parent.commands) {
    text += "    " +
            quoted(zsh_escaped(command.name) + ":" + zsh_escaped(command.help), kZshQuote) + "\n";
  }
  text +=
      "  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  command=${words[2]}\n"
      "  shift words\n"
      "  (( CURRENT-- ))\n"
      "  case $command in\n";
  for (const CommandTree& command : parent.commands) {
    text += command.commands.empty()
                ? fmt::format("    {}) {} ;;\n", command.name, zsh_arguments(command))
                : fmt::format("    {})\n{}  ;;\n", command.name, zsh_commands(command));
  }
  return text + "  esac\n";
}

std::string zsh_script(const CommandTree& program) {
  return fmt::format(
      "#compdef {0}\n"
      "# zsh completion for {0}: put it into a folder of $fpath as _{0}\n"
      "_{0}() {{\n"
      "  local -a commands\n"
      "  local command\n"
      "{1}}}\n"
      "if [[ $funcstack[1] == _{0} ]]; then _{0} \"$@\"; else compdef _{0} {0}; fi\n",
      program.name, zsh_commands(program));
}

std::string fish_options(const CommandTree& program, const CommandTree& command,
                         const std::string& condition) {
  std::string text;
  for (const OptionInfo& option : command.options) {
    const Values values = values_of(option);
    if (option.positional && (values == Values::free || values == Values::none)) continue;
    text += fmt::format("complete -c {} -n '{}'", program.name, condition);
    if (!option.positional) text += fmt::format(" -l {}", option.name.substr(2));
    if (!option.positional && values != Values::none) text += " -r";
    if (values == Values::words)
      text += fmt::format(" -a '{}'", fmt::join(choices_of(option), " "));
    if (values == Values::files) text += " -F";
    if (values == Values::folders) text += " -a '(__fish_complete_directories)'";
    text += " -d " + quoted(option.help, kFishQuote) + "\n";
  }
  return text;
}

// fish knows only which words were seen: `bench serve` has seen `serve` too.
std::string fish_seen(const CommandTree& program, const CommandTree& command) {
  std::string text = "__fish_seen_subcommand_from " + command.name;
  for (const CommandTree& other : program.commands) {
    const auto inner = command_names(other);
    if (std::ranges::find(inner, command.name) != inner.end())
      text += "; and not __fish_seen_subcommand_from " + other.name;
  }
  return text;
}

std::string fish_script(const CommandTree& program) {
  std::string text = fmt::format(
      "# fish completion for {0}: save as ~/.config/fish/completions/{0}.fish\n"
      "complete -c {0} -f\n",
      program.name);
  const auto offer = [&](const std::string& condition, const CommandTree& command) {
    text += fmt::format("complete -c {} -n '{}' -a {} -d {}\n", program.name, condition,
                        command.name, quoted(command.help, kFishQuote));
  };
  for (const CommandTree& command : program.commands) {
    const std::string seen = fish_seen(program, command);
    offer("__fish_use_subcommand", command);
    text += fish_options(program, command, seen);
    const std::string kinds = fmt::format("{}", fmt::join(command_names(command), " "));
    for (const CommandTree& kind : command.commands) {
      offer(seen + "; and not __fish_seen_subcommand_from " + kinds, kind);
      text += fish_options(program, kind, seen + "; and __fish_seen_subcommand_from " + kind.name);
    }
  }
  return text;
}

}  // namespace

std::string completion_script(const CommandTree& program, std::string_view shell) {
  if (shell == "bash") return bash_script(program);
  if (shell == "zsh") return zsh_script(program);
  return shell == "fish" ? fish_script(program) : std::string();
}

}  // namespace millrace::app
