#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <string>

#include "base/clock.h"

namespace millrace::text {
namespace {

// The subject is shown in windows: one search costs at most window² steps for a pattern of plain
// repeats, and the match limit stops those that backtrack worse.
constexpr std::size_t kFirstWindow = 2048;
constexpr std::size_t kLastWindow = 64 * 1024;
constexpr std::uint32_t kMatchLimit = 500'000;
constexpr std::size_t kJitStackBytes = std::size_t{1} << 20;
constexpr auto kPatience = std::chrono::seconds(2);  // for one whole text; only bombs reach it

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeCompileContext {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeJitStack {
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};

// Model files are written for Oniguruma: what PCRE2 spells or means otherwise is translated, and
// the few things that it cannot say are refused.
class Translator {
 public:
  explicit Translator(std::string_view pattern) : rest_(pattern) {}

  Result<std::string> run() {
    while (!rest_.empty()) {
      if (rest_.starts_with("&&") && in_class_) return unsupported("&&");
      if (rest_.starts_with("(?~")) return unsupported("(?~");
      if (rest_.front() == '\\') {
        if (const Status ok = escape(); !ok) return std::unexpected(ok.error());
        continue;
      }
      if (rest_.front() == '[') {
        if (in_class_ && !rest_.starts_with("[:")) return unsupported("[ inside [ ]");
        open_class();
        continue;
      }
      if (rest_.front() == ']') in_class_ = false;
      copy(1);
    }
    return std::move(out_);
  }

 private:
  static std::unexpected<Error> unsupported(std::string_view what) {
    return invalid("the pattern uses '" + std::string(what) + "', which is not supported");
  }
  void copy(std::size_t count) {
    out_ += rest_.substr(0, count);
    rest_.remove_prefix(std::min(count, rest_.size()));
  }
  // A ] that comes first is a character of the class.
  void open_class() {
    if (in_class_) return copy(std::min(rest_.find(":]"), rest_.size() - 2) + 2);
    in_class_ = true;
    copy(1);
    if (rest_.starts_with('^')) copy(1);
    if (rest_.starts_with(']')) copy(1);
  }
  void put_class(std::string_view members) {
    out_ += in_class_ ? std::string(members) : "[" + std::string(members) + "]";
    rest_.remove_prefix(2);
  }
  Status escape() {
    const char c = rest_.size() > 1 ? rest_[1] : '\0';
    switch (c) {
      case 's':  // PCRE2's has U+180E too
        put_class("\\p{WSpace}");
        return {};
      case 'S':
        put_class("\\P{WSpace}");
        return {};
      case 'w':
        put_class(kWord);
        return {};
      case 'W':
        if (in_class_) return unsupported("\\W inside [ ]");
        put_class("^" + std::string(kWord));
        return {};
      case 'h':
        put_class("0-9a-fA-F");
        return {};
      case 'H':
      case 'y':
      case 'Y':
        return unsupported(rest_.substr(0, 2));
      default:
        copy(2);
        return {};
    }
  }

  static constexpr std::string_view kWord = "\\p{L}\\p{M}\\p{Nd}\\p{Pc}";
  std::string_view rest_;
  std::string out_;
  bool in_class_ = false;
};

bool continues_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

}  // namespace

struct Regex::Program {
  std::unique_ptr<pcre2_code, FreeCode> code;
};

Regex::Regex(std::unique_ptr<Program> program) : program_(std::move(program)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.empty()) return invalid("the pattern is empty");
  if (pattern.size() > kMaxPatternBytes) {
    return fail(ErrorKind::too_large, "the pattern has more than 16384 bytes");
  }
  const auto translated = Translator(pattern).run();
  if (!translated) return std::unexpected(translated.error());
  const std::unique_ptr<pcre2_compile_context, FreeCompileContext> context(
      pcre2_compile_context_create(nullptr));
  if (!context) return fail(ErrorKind::internal, "out of memory");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  // Oniguruma's ^ and $ match at every line.
  const std::uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  int error = 0;
  PCRE2_SIZE error_at = 0;
  auto program = std::make_unique<Program>();
  program->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated->data()),
                                    translated->size(), options, &error, &error_at, context.get()));
  if (!program->code) {
    unsigned char message[256] = {};
    pcre2_get_error_message(error, message, sizeof message);
    return invalid("bad pattern at byte " + std::to_string(error_at) + ": " +
                   reinterpret_cast<const char*>(message));
  }
  // Without JIT (no executable memory, say) the interpreter does the same, slower.
  (void)pcre2_jit_compile(program->code.get(), PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
  return Regex(std::move(program));
}

struct Regex::Scan::State {
  const pcre2_code* code;
  std::string_view text;
  std::size_t at = 0;
  bool exhausted = false;
  std::unique_ptr<pcre2_match_data, FreeMatchData> data;
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context;
  std::unique_ptr<pcre2_jit_stack, FreeJitStack> stack;
  unsigned num_searches = 0;
  TimePoint begun;

  bool out_of_patience() {
    if (num_searches++ % 256 != 0) return false;
    const auto now = Clock::now();
    if (num_searches == 1) begun = now;
    return now - begun > kPatience;
  }
  // Searches text[at, end): a match, an error, or PARTIAL where the answer depends on what follows.
  int search(std::size_t end) {
    const std::uint32_t more = end < text.size() ? PCRE2_PARTIAL_HARD | PCRE2_NOTEOL : 0;
    return search(end, end - at < kLastWindow ? more : 0);
  }
  int search(std::size_t end, std::uint32_t options) {
    const auto match = [&] {
      return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), end, at,
                         options | PCRE2_NO_UTF_CHECK, data.get(), context.get());
    };
    const int found = match();
    if (found != PCRE2_ERROR_JIT_STACKLIMIT || stack) return found;
    stack.reset(pcre2_jit_stack_create(32 * 1024, kJitStackBytes, nullptr));
    if (!stack) return found;
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
    return match();
  }
  std::size_t window_end(std::size_t window) const {
    if (text.size() - at <= window) return text.size();
    std::size_t end = at + window;
    while (end < text.size() && continues_character(text[end])) ++end;
    return end;
  }
  void step_over_character(std::size_t from) {
    at = from + 1;
    while (at < text.size() && continues_character(text[at])) ++at;
  }
};

Regex::Scan::Scan(const Regex& regex, std::string_view valid_utf8)
    : state_(std::make_unique<State>()) {
  state_->code = regex.program_->code.get();
  state_->text = valid_utf8;
  state_->data.reset(pcre2_match_data_create(1, nullptr));
  state_->context.reset(pcre2_match_context_create(nullptr));
  state_->exhausted = !state_->data || !state_->context;
  if (state_->context) pcre2_set_match_limit(state_->context.get(), kMatchLimit);
}
Regex::Scan::~Scan() = default;

std::optional<Regex::Scan::Match> Regex::Scan::next() {
  State& s = *state_;
  std::size_t window = kFirstWindow;
  while (!s.exhausted && s.at < s.text.size()) {
    if (s.out_of_patience()) break;
    const std::size_t end = s.window_end(window);
    const int found = s.search(end);
    if (found == PCRE2_ERROR_PARTIAL) {
      window *= 4;
      continue;
    }
    if (found == PCRE2_ERROR_NOMATCH) {
      s.at = end;
      window = kFirstWindow;
      continue;
    }
    if (found < 0) break;
    const PCRE2_SIZE* const where = pcre2_get_ovector_pointer(s.data.get());
    const Match match{where[0], where[1]};
    if (match.end < match.begin || match.begin < s.at) break;  // \K can do that
    if (match.end == match.begin) {
      s.step_over_character(match.end);
    } else {
      s.at = match.end;
    }
    return match;
  }
  s.exhausted = true;
  return std::nullopt;
}

}  // namespace millrace::text
