#include "text/jinja/run.h"

#include <utility>

namespace millrace::text::jinja {
namespace {

constexpr std::size_t kBytesPerOperation = 64;

}  // namespace

Value Run::fail(std::string message) {
  if (!failed_) {
    failed_ = true;
    error_ = std::move(message);
    error_line_ = line_;
  }
  return Value::of_undefined("");
}

Value Run::raise(std::string message) {
  if (!failed_) raised_ = true;
  return fail(std::move(message));
}

bool Run::spend(std::size_t operations) {
  if (failed_) return false;
  if (operations > limits_.max_operations - spent_) {
    fail("the template needs more than " + std::to_string(limits_.max_operations) + " operations");
    return false;
  }
  spent_ += operations;
  return true;
}

bool Run::spend_bytes(std::size_t bytes) {
  if (bytes > limits_.max_output_bytes) {
    fail("a text is longer than " + std::to_string(limits_.max_output_bytes) + " bytes");
    return false;
  }
  return spend(1 + bytes / kBytesPerOperation);
}

Value Run::text(std::string text) {
  if (!spend_bytes(text.size())) return Value::of_undefined("");
  return Value::of(std::string_view(texts_.emplace_back(std::move(text))));
}

Value Run::markup(std::string text) {
  Value value = this->text(std::move(text));
  value.markup = value.is_string();
  return value;
}

List* Run::list(ListKind kind) {
  spend();
  List& made = lists_.emplace_back();
  made.kind = kind;
  return &made;
}

Dict* Run::dict() {
  spend();
  return &dicts_.emplace_back();
}

Callable* Run::callable() {
  spend();
  return &callables_.emplace_back();
}

Loop* Run::loop() {
  spend();
  return &loops_.emplace_back();
}

Scope* Run::scope(Scope* parent) {
  spend();
  Scope& made = scopes_.emplace_back();
  made.parent = parent;
  return &made;
}

}  // namespace millrace::text::jinja
