// Run: one rendering. It owns everything that the template makes, counts what it spends, and keeps
// the first error: after fail() every value is undefined, so callers may go on and look at failed()
// where a loop could run on.
#pragma once

#include <cstddef>
#include <ctime>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat_template.h"
#include "text/jinja/callable.h"
#include "text/jinja/value.h"

namespace millrace::text::jinja {

class Interpreter;

class Run {
 public:
  Run(const TemplateLimits& limits, const std::tm& now) : limits_(limits), now_(now) {}
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  const TemplateLimits& limits() const { return limits_; }
  const std::tm& now() const { return now_; }  // strftime_now()

  // Records the first error; returns undefined so that `return run.fail(…)` fits everywhere.
  Value fail(std::string message);
  bool failed() const { return failed_; }
  const std::string& error() const { return error_; }
  void set_line(int line) { line_ = line; }
  int error_line() const { return error_line_; }
  // raise_exception(): the template's own words.
  Value raise(std::string message);
  bool raised() const { return raised_; }

  // Takes `operations` from the fuel; false (and failed) when there is none left.
  bool spend(std::size_t operations = 1);
  // Fuel for making or reading this many bytes; also refuses a string over the output limit.
  bool spend_bytes(std::size_t bytes);

  Value text(std::string text);
  Value markup(std::string text);
  List* list(ListKind kind = ListKind::list);
  Dict* dict();
  Callable* callable();
  Loop* loop();
  Scope* scope(Scope* parent);

  Interpreter* interpreter = nullptr;  // calls back into the template: macros, filters by name

 private:
  TemplateLimits limits_;
  std::tm now_;
  std::size_t spent_ = 0;
  bool failed_ = false;
  bool raised_ = false;
  std::string error_;
  int line_ = 0;
  int error_line_ = 0;
  std::deque<std::string> texts_;
  std::deque<List> lists_;
  std::deque<Dict> dicts_;
  std::deque<Callable> callables_;
  std::deque<Loop> loops_;
  std::deque<Scope> scopes_;
};

}  // namespace millrace::text::jinja
