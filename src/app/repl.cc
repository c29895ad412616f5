#include "app/repl.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "base/file.h"

namespace millrace::app {
namespace {

constexpr std::size_t kMaxConversation = std::size_t{8} << 20;
constexpr const char* kHelp =
    "/system [TEXT]      show or set the system message\n"
    "/set [NAME VALUE]   show or set temperature, top_p, top_k, min_p, seed, max_tokens …; VALUE "
    "default "
    "takes it away\n"
    "/clear              forget the conversation\n"
    "/stats              show tokens and times after each answer, or no longer\n"
    "/save FILE          write the conversation as JSON\n"
    "/load FILE          go on with one that was saved\n"
    "/exit               end; so does Ctrl-D\n"
    "A line that ends with \\ goes on with the next; \"\"\" encloses several lines. Ctrl-C stops "
    "an answer.";

constexpr const char* kCommands[] = {"/help",  "/system", "/set",  "/clear",
                                     "/stats", "/save",   "/load", "/exit"};

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

std::vector<std::string> repl_words() {
  std::vector<std::string> words(std::begin(kCommands), std::end(kCommands));
  for (const std::string& name : setting_names()) words.push_back("/set " + name);
  return words;
}

Repl::Repl(ChatModel& model, Conversation conversation, ChatSettings settings, bool show_stats,
           ReplOutput output, std::atomic<bool>& stop)
    : model_(model),
      conversation_(std::move(conversation)),
      settings_(settings),
      show_stats_(show_stats),
      output_(std::move(output)),
      stop_(stop) {}

bool Repl::take(const std::string& entry) {
  if (trimmed(entry).empty()) return true;
  if (entry.starts_with('/')) return command(entry);
  ask(entry);
  return true;
}

bool Repl::ask(const std::string& question) {
  conversation_.turns.push_back({"user", question, {}});
  stop_.store(false);
  auto answer = model_.answer(conversation_, settings_, output_.answer, stop_);
  if (!answer) {
    conversation_.turns.pop_back();
    output_.notice("millrace: " + answer.error().message);
    return false;
  }
  if (!answer->text.ends_with('\n')) output_.answer("\n");
  if (answer->was_stopped) output_.notice("(stopped)");
  // A stopped answer is part of the conversation as far as it came.
  conversation_.turns.push_back({"assistant", answer->text, {}});
  last_stats_ = stats_text(*answer);
  if (show_stats_) output_.notice(last_stats_);
  return true;
}

bool Repl::command(const std::string& line) {
  const std::size_t space = line.find_first_of(" \t\n");
  const std::string name = line.substr(0, space);
  const std::string_view rest = space == std::string::npos
                                    ? std::string_view()
                                    : trimmed(std::string_view(line).substr(space));
  if (name == "/exit" || name == "/quit" || name == "/bye") return false;
  if (name == "/help" || name == "/?") {
    output_.notice(kHelp);
  } else if (name == "/system") {
    system(rest);
  } else if (name == "/set") {
    set(rest);
  } else if (name == "/clear") {
    conversation_.turns.clear();
    output_.notice("the conversation is forgotten");
  } else if (name == "/stats") {
    stats();
  } else if (name == "/save") {
    save(std::string(rest));
  } else if (name == "/load") {
    load(std::string(rest));
  } else {
    output_.notice(fmt::format("there is no command {}; /help lists them", name));
  }
  return true;
}

void Repl::stats() {
  show_stats_ = !show_stats_;
  if (show_stats_ && !last_stats_.empty()) output_.notice(last_stats_);
  output_.notice(show_stats_ ? "figures follow each answer" : "figures no longer follow answers");
}

void Repl::system(std::string_view text) {
  if (text.empty()) {
    output_.notice(conversation_.system.empty() ? "there is no system message"
                                                : conversation_.system);
    return;
  }
  conversation_.system = text;
  output_.notice("the system message is set");
}

void Repl::set(std::string_view words) {
  if (words.empty()) {
    std::string text = settings_.to_text();
    if (text.empty()) text = "nothing is set: the model's own settings hold";
    while (text.ends_with('\n')) text.pop_back();
    output_.notice(text);
    return;
  }
  const auto space = words.find_first_of(" \t=");
  const std::string_view name = words.substr(0, space);
  const std::string_view value =
      space == std::string_view::npos ? std::string_view() : trimmed(words.substr(space + 1));
  if (Status done = settings_.set(name, value); !done) {
    output_.notice(done.error().message);
    return;
  }
  output_.notice(fmt::format("{} is {}", name, value));
}

void Repl::save(const std::string& file) {
  if (file.empty()) {
    output_.notice("/save FILE: a name is missing");
    return;
  }
  const std::string part = file + ".part";
  std::error_code failed;
  if ((std::ofstream(part) << save_conversation(conversation_)).flush())
    std::filesystem::rename(part, file, failed);
  else
    failed = std::make_error_code(std::errc::io_error);
  output_.notice(failed ? fmt::format("{} cannot be written: {}", file, failed.message())
                        : fmt::format("{} messages saved in {}", conversation_.turns.size(), file));
}

void Repl::load(const std::string& file) {
  auto text = read_file(file, kMaxConversation);
  if (!text) {
    output_.notice(text.error().message);
    return;
  }
  auto loaded = load_conversation(*text);
  if (!loaded) {
    output_.notice(loaded.error().message);
    return;
  }
  conversation_ = *std::move(loaded);
  output_.notice(fmt::format("{} messages from {}", conversation_.turns.size(), file));
}

}  // namespace millrace::app
