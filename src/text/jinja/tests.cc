// Tests: what may follow `is`.
#include <algorithm>
#include <array>
#include <string>

#include "text/jinja/access.h"
#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/run.h"
#include "text/jinja/text_form.h"
#include "text/jinja/utf8.h"

namespace millrace::text::jinja {
namespace {

using A = const Arguments&;
using V = const Value&;

template <bool (*holds)(V)>
Value simple(Run& run, V self, A arguments) {
  if (!arguments.positional.empty() || !arguments.named.empty()) {
    return run.fail("this test takes no argument");
  }
  return Value::of(holds(self));
}

bool is_defined(V v) {
  return !v.is_undefined();
}
bool is_undefined(V v) {
  return v.is_undefined();
}
bool is_none(V v) {
  return v.is_none();
}
bool is_boolean(V v) {
  return v.is(Kind::boolean);
}
bool is_true(V v) {
  return v.is(Kind::boolean) && v.boolean;
}
bool is_false(V v) {
  return v.is(Kind::boolean) && !v.boolean;
}
bool is_integer(V v) {
  return v.is(Kind::integer);
}
bool is_float(V v) {
  return v.is(Kind::real);
}
bool is_number(V v) {
  return v.is_number();
}
bool is_string(V v) {
  return v.is_string();
}
bool is_mapping(V v) {
  return v.is(Kind::dict);
}
bool is_callable(V v) {
  return v.is(Kind::callable) || v.is_undefined();
}
bool is_escaped(V v) {
  return v.is_string() && v.markup;
}
bool is_sequence(V v) {
  return v.is_string() || v.is(Kind::dict) || v.is_undefined() ||
         (v.is(Kind::list) && v.list->is_sequence());
}
bool is_iterable(V v) {
  return v.is_string() || v.is(Kind::dict) || v.is_undefined() || v.is(Kind::list) ||
         v.is(Kind::loop);
}

// str.islower() and isupper(): at least one cased letter, and none of the other case.
template <bool upper>
Value cased(Run& run, V self, A) {
  const std::string text = to_str(run, self);
  bool any = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t code = next_char(text, at);
    if (upper ? is_lower_char(code) : is_upper_char(code)) return Value::of(false);
    any |= upper ? is_upper_char(code) : is_lower_char(code);
  }
  return Value::of(any);
}

Value remainder_is(Run& run, V self, V divisor, std::int64_t wanted) {
  const Value rest = arithmetic(run, Operator::modulo, self, divisor);
  return run.failed() ? rest : Value::of(equal(run, rest, Value::of(wanted)));
}
Value odd(Run& run, V self, A) {
  return remainder_is(run, self, Value::of(std::int64_t{2}), 1);
}
Value even(Run& run, V self, A) {
  return remainder_is(run, self, Value::of(std::int64_t{2}), 0);
}
Value divisibleby(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "divisibleby", arguments, {"num"}, 1, a)) return {};
  return remainder_is(run, self, a[0], 0);
}

template <Operator op>
Value compared(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "the test", arguments, {"other"}, 1, a)) return {};
  return Value::of(comparison(run, op, self, a[0]));
}

Value sameas(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "sameas", arguments, {"other"}, 1, a)) return {};
  if (self.kind != a[0].kind) return Value::of(false);
  if (self.is(Kind::list)) return Value::of(self.list == a[0].list);
  if (self.is(Kind::dict)) return Value::of(self.dict == a[0].dict);
  return Value::of(same_key(self, a[0]));
}

Value names_filter(Run&, V self, A) {
  return Value::of(self.is_string() && find_filter(self.text) != nullptr);
}
Value names_test(Run&, V self, A) {
  return Value::of(self.is_string() && find_test(self.text) != nullptr);
}

struct Row {
  std::string_view name;
  Native native;
};

constexpr Row kTests[] = {
    {"defined", simple<is_defined>},
    {"undefined", simple<is_undefined>},
    {"none", simple<is_none>},
    {"boolean", simple<is_boolean>},
    {"true", simple<is_true>},
    {"false", simple<is_false>},
    {"integer", simple<is_integer>},
    {"float", simple<is_float>},
    {"number", simple<is_number>},
    {"string", simple<is_string>},
    {"mapping", simple<is_mapping>},
    {"sequence", simple<is_sequence>},
    {"iterable", simple<is_iterable>},
    {"callable", simple<is_callable>},
    {"escaped", simple<is_escaped>},
    {"lower", cased<false>},
    {"upper", cased<true>},
    {"odd", odd},
    {"even", even},
    {"divisibleby", divisibleby},
    {"eq", compared<Operator::equal>},
    {"equalto", compared<Operator::equal>},
    {"==", compared<Operator::equal>},
    {"ne", compared<Operator::not_equal>},
    {"!=", compared<Operator::not_equal>},
    {"lt", compared<Operator::less>},
    {"lessthan", compared<Operator::less>},
    {"<", compared<Operator::less>},
    {"le", compared<Operator::less_equal>},
    {"<=", compared<Operator::less_equal>},
    {"gt", compared<Operator::greater>},
    {"greaterthan", compared<Operator::greater>},
    {">", compared<Operator::greater>},
    {"ge", compared<Operator::greater_equal>},
    {">=", compared<Operator::greater_equal>},
    {"in", compared<Operator::in>},
    {"sameas", sameas},
    {"filter", names_filter},
    {"test", names_test},
};

}  // namespace

Native find_test(std::string_view name) {
  const auto* found = std::ranges::find(kTests, name, &Row::name);
  return found == std::end(kTests) ? nullptr : found->native;
}

}  // namespace millrace::text::jinja
