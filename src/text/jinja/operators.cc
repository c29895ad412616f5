#include "text/jinja/operators.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "text/jinja/format.h"
#include "text/jinja/run.h"
#include "text/jinja/text_form.h"
#include "text/jinja/utf8.h"

namespace millrace::text::jinja {
namespace {

const char* symbol_of(Operator op) {
  static constexpr const char* kSymbols[] = {
      "+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not in"};
  return kSymbols[static_cast<std::size_t>(op)];
}

Value no_such(Run& run, Operator op, const Value& a, const Value& b) {
  for (const Value* side : {&a, &b}) {
    if (side->is_undefined()) return run.fail(std::string(side->text));
  }
  return run.fail(std::string("'") + symbol_of(op) + "' does not work between " + type_name(a) +
                  " and " + type_name(b));
}

Value whole(Run& run, Operator op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Operator::add:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Operator::subtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Operator::multiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Operator::floor_divide:
    case Operator::modulo: {
      if (b == 0) return run.fail("division by zero");
      if (b == -1) {  // the one quotient that may overflow
        overflow = op == Operator::floor_divide && __builtin_sub_overflow(0, a, &result);
        break;
      }
      const bool inexact = a % b != 0 && ((a < 0) != (b < 0));
      result = op == Operator::floor_divide ? a / b - inexact : a % b + (inexact ? b : 0);
      break;
    }
    default:
      break;
  }
  if (overflow) return run.fail("an integer is too large");
  return Value::of(result);
}

Value whole_power(Run& run, std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return run.fail("division by zero");
    return Value::of(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  std::int64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) {
      return run.fail("an integer is too large");
    }
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) {
      return run.fail("an integer is too large");
    }
  }
  return Value::of(result);
}

Value real(Run& run, Operator op, double a, double b) {
  switch (op) {
    case Operator::add:
      return Value::of(a + b);
    case Operator::subtract:
      return Value::of(a - b);
    case Operator::multiply:
      return Value::of(a * b);
    case Operator::power:
      return Value::of(std::pow(a, b));
    default:
      break;
  }
  if (b == 0) return run.fail("division by zero");
  if (op == Operator::divide) return Value::of(a / b);
  double rest = std::fmod(a, b);
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  if (op == Operator::modulo) return Value::of(rest);
  return Value::of(std::floor((a - rest) / b + 0.5));
}

Value numbers(Run& run, Operator op, const Value& a, const Value& b) {
  if (!a.is_integral() || !b.is_integral() || op == Operator::divide) {
    return real(run, op, a.as_real(), b.as_real());
  }
  if (op == Operator::power) return whole_power(run, a.as_integer(), b.as_integer());
  return whole(run, op, a.as_integer(), b.as_integer());
}

// What |safe marked stays safe: the other side of + is escaped.
Value add_strings(Run& run, const Value& a, const Value& b) {
  if (!run.spend_bytes(a.text.size() + b.text.size())) return Value::of_undefined("");
  if (!a.markup && !b.markup) return run.text(std::string(a.text) + std::string(b.text));
  return run.markup((a.markup ? std::string(a.text) : html_escaped(a.text)) +
                    (b.markup ? std::string(b.text) : html_escaped(b.text)));
}

Value add_lists(Run& run, const List& a, const List& b) {
  List* sum = run.list(a.kind == ListKind::group ? ListKind::tuple : a.kind);
  if (!run.spend(a.items.size() + b.items.size())) return Value::of_undefined("");
  sum->items = a.items;
  sum->items.insert(sum->items.end(), b.items.begin(), b.items.end());
  return Value::of(sum);
}

Value repeated(Run& run, const Value& value, std::int64_t times) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  std::size_t total = 0;
  const std::size_t size = value.is_string() ? value.text.size() : value.list->items.size();
  if (__builtin_mul_overflow(size, count, &total)) return run.fail("a product is too long");
  if (value.is_string()) {
    if (!run.spend_bytes(total)) return Value::of_undefined("");
    std::string text;
    text.reserve(total);
    for (std::size_t i = 0; i < count && size > 0; ++i) text += value.text;
    return value.markup ? run.markup(std::move(text)) : run.text(std::move(text));
  }
  if (!run.spend(total)) return Value::of_undefined("");
  List* list = run.list(value.list->kind);
  for (std::size_t i = 0; i < count && size > 0; ++i) {
    list->items.insert(list->items.end(), value.list->items.begin(), value.list->items.end());
  }
  return Value::of(list);
}

bool is_repeatable(const Value& value) {
  return value.is_string() ||
         (value.is(Kind::list) && (value.list->kind == ListKind::list || value.list->is_tuple()));
}

bool same_kind_of_list(const Value& a, const Value& b) {
  return a.is(Kind::list) && b.is(Kind::list) &&
         ((a.list->kind == ListKind::list && b.list->kind == ListKind::list) ||
          (a.list->is_tuple() && b.list->is_tuple()));
}

}  // namespace

Value arithmetic(Run& run, Operator op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return numbers(run, op, a, b);
  if (op == Operator::add && a.is_string() && b.is_string()) return add_strings(run, a, b);
  if (op == Operator::add && same_kind_of_list(a, b)) return add_lists(run, *a.list, *b.list);
  if (op == Operator::multiply && is_repeatable(a) && b.is_integral()) {
    return repeated(run, a, b.as_integer());
  }
  if (op == Operator::multiply && is_repeatable(b) && a.is_integral()) {
    return repeated(run, b, a.as_integer());
  }
  if (op == Operator::modulo && a.is_string()) return percent_format(run, a, b);
  return no_such(run, op, a, b);
}

Value negate(Run& run, const Value& value) {
  if (value.is(Kind::real)) return Value::of(-value.real);
  if (value.is_integral()) return whole(run, Operator::subtract, 0, value.as_integer());
  if (value.is_undefined()) return run.fail(std::string(value.text));
  return run.fail(std::string("a value of type ") + type_name(value) + " has no negative");
}

bool equal(Run& run, const Value& a, const Value& b, int depth) {
  if (!run.spend()) return false;
  if (depth > kMaxValueDepth) {
    run.fail("a value is nested too deeply to be compared");
    return false;
  }
  if (a.is_string() && b.is_string()) run.spend(a.text.size() / 64);
  if (a.is(Kind::list) && b.is(Kind::list)) {
    if (a.list == b.list) return true;
    const bool comparable = same_kind_of_list(a, b) ||
                            (a.list->kind == b.list->kind && a.list->kind == ListKind::range);
    if (!comparable || a.list->items.size() != b.list->items.size()) return false;
    for (std::size_t i = 0; i < a.list->items.size(); ++i) {
      if (!equal(run, a.list->items[i], b.list->items[i], depth + 1)) return false;
    }
    return true;
  }
  if (a.is(Kind::dict) && b.is(Kind::dict)) {
    if (a.dict == b.dict) return true;
    if (a.dict->entries.size() != b.dict->entries.size()) return false;
    for (const auto& [key, value] : a.dict->entries) {
      const Value* other = b.dict->find(key);
      if (!other || !equal(run, value, *other, depth + 1)) return false;
    }
    return true;
  }
  return same_key(a, b);
}

bool less(Run& run, const Value& a, const Value& b, int depth) {
  if (!run.spend()) return false;
  if (depth > kMaxValueDepth) {
    run.fail("a value is nested too deeply to be compared");
    return false;
  }
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.as_integer() < b.as_integer();
    return a.as_real() < b.as_real();
  }
  // UTF-8 sorts as its code points do.
  if (a.is_string() && b.is_string()) {
    run.spend(a.text.size() / 64);
    return a.text < b.text;
  }
  if (same_kind_of_list(a, b)) {
    const auto& left = a.list->items;
    const auto& right = b.list->items;
    for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
      if (!equal(run, left[i], right[i], depth + 1)) return less(run, left[i], right[i], depth + 1);
    }
    return left.size() < right.size();
  }
  no_such(run, Operator::less, a, b);
  return false;
}

bool spend_key(Run& run, const Value& key) {
  return run.spend(1 + (key.is_string() ? key.text.size() / 64 : 0));
}

bool contains(Run& run, const Value& container, const Value& item) {
  switch (container.kind) {
    case Kind::string:
      if (!item.is_string()) {
        run.fail(std::string("'in' a string needs a string on its left, not ") + type_name(item));
        return false;
      }
      run.spend_bytes(container.text.size());
      return find_text(container.text, item.text) != std::string_view::npos;
    case Kind::dict:
      if (!is_hashable(item)) {
        run.fail(std::string("a value of type ") + type_name(item) + " cannot be a key");
        return false;
      }
      return spend_key(run, item) && container.dict->find(item) != nullptr;
    case Kind::list:
      if (container.list->spent) return false;
      for (const Value& candidate : container.list->items) {
        if (equal(run, candidate, item)) return true;
        if (run.failed()) return false;
      }
      return false;
    case Kind::undefined:
      return false;
    default:
      run.fail(std::string("'in' does not work on a value of type ") + type_name(container));
      return false;
  }
}

bool comparison(Run& run, Operator op, const Value& a, const Value& b) {
  switch (op) {
    case Operator::equal:
      return equal(run, a, b);
    case Operator::not_equal:
      return !equal(run, a, b);
    case Operator::less:
      return less(run, a, b);
    case Operator::greater:
      return less(run, b, a);
    case Operator::less_equal:
      if (a.is_number() && b.is_number())
        return !less(run, b, a) && !std::isnan(a.as_real()) && !std::isnan(b.as_real());
      return !less(run, b, a) && !run.failed();
    case Operator::greater_equal:
      if (a.is_number() && b.is_number())
        return !less(run, a, b) && !std::isnan(a.as_real()) && !std::isnan(b.as_real());
      return !less(run, a, b) && !run.failed();
    case Operator::in:
      return contains(run, b, a);
    case Operator::not_in:
      return !contains(run, b, a);
    default:
      return false;
  }
}

}  // namespace millrace::text::jinja
