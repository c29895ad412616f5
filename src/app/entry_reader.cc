#include "app/entry_reader.h"

#include <string_view>
#include <utility>

namespace millrace::app {
namespace {

constexpr std::string_view kQuote = "\"\"\"";

}  // namespace

std::optional<std::string> EntryReader::add(std::string line) {
  if (!quoted_ && !continues_ && line.starts_with(kQuote)) {
    quoted_ = true;
    line.erase(0, kQuote.size());
    if (line.empty()) return std::nullopt;  // the text begins with the next line
  }
  if (quoted_) {
    if (!line.ends_with(kQuote)) {
      text_ += line + "\n";
      return std::nullopt;
    }
    line.resize(line.size() - kQuote.size());
    if (line.empty() && text_.ends_with('\n')) text_.pop_back();
    text_ += line;
    return take();
  }
  continues_ = line.ends_with('\\');
  if (continues_) {
    line.back() = '\n';
    text_ += line;
    return std::nullopt;
  }
  text_ += line;
  return take();
}

void EntryReader::reset() {
  *this = EntryReader();
}

std::optional<std::string> EntryReader::take() {
  std::string text = std::move(text_);
  reset();
  return text;
}

}  // namespace millrace::app
