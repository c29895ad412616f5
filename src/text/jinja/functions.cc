// Functions that every template may call: range, namespace, raise_exception, strftime_now, …
#include <algorithm>
#include <array>
#include <string>

#include "text/jinja/access.h"
#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/run.h"
#include "text/jinja/text_form.h"

namespace millrace::text::jinja {
namespace {

using A = const Arguments&;
using V = const Value&;

Value range(Run& run, V, A arguments) {
  const auto& given = arguments.positional;
  if (given.empty() || given.size() > 3 || !arguments.named.empty()) {
    return run.fail("range() takes one to three integers");
  }
  for (const Value& bound : given) {
    if (!bound.is_integral()) {
      return run.fail(bound.is_undefined() ? std::string(bound.text)
                                           : "range() takes one to three integers");
    }
  }
  const std::int64_t start = given.size() > 1 ? given[0].as_integer() : 0;
  const std::int64_t stop = given.size() > 1 ? given[1].as_integer() : given[0].as_integer();
  const std::int64_t step = given.size() > 2 ? given[2].as_integer() : 1;
  if (step == 0) return run.fail("range() cannot have step 0");
  List* numbers = run.list(ListKind::range);
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (numbers->items.size() >= run.limits().max_range) {
      return run.fail("range() is longer than " + std::to_string(run.limits().max_range));
    }
    if (!run.spend()) break;
    numbers->items.push_back(Value::of(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return Value::of(numbers);
}

Value make_dict(Run& run, V, A arguments) {
  Dict* dict = run.dict();
  fill_dict(run, *dict, arguments);
  return Value::of(dict);
}

Value make_namespace(Run& run, V, A arguments) {
  Dict* dict = run.dict();
  fill_dict(run, *dict, arguments);
  for (const auto& [name, value] : dict->entries) {
    if (!name.is_string() || name.text.starts_with('_')) {
      return run.fail("a namespace cannot hold names that begin with an underscore");
    }
  }
  return Value::of(dict, Kind::space);
}

Value raise_exception(Run& run, V, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "raise_exception", arguments, {"message"}, 1, a)) return {};
  return run.raise(to_str(run, a[0]));
}

Value strftime_now(Run& run, V, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "strftime_now", arguments, {"format"}, 1, a)) return {};
  if (!a[0].is_string() || a[0].text.size() > 256) {
    return run.fail("strftime_now() takes a format of at most 256 bytes");
  }
  const std::string format(a[0].text);
  std::array<char, 4096> buffer;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  const std::size_t size = std::strftime(buffer.data(), buffer.size(), format.c_str(), &run.now());
#pragma GCC diagnostic pop
  return run.text(std::string(buffer.data(), size));
}

// What joiner(", ") and cycler(…) give: their values in `self`, their state beside them.
Value joiner_call(Run&, V self, A) {
  auto& items = self.list->items;  // separator, used before
  if (items[1].boolean) return items[0];
  items[1] = Value::of(true);
  return Value::of(std::string_view());
}

Value object_of(Run& run, std::string_view name, Native native, List* state) {
  Callable* made = run.callable();
  made->name = name;
  made->native = native;
  made->self = Value::of(state);
  return Value::of(made);
}

Value joiner(Run& run, V, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "joiner", arguments, {"sep"}, 0, a)) return {};
  List* state = run.list();
  state->items = {a[0].given() ? a[0] : Value::of(std::string_view(", ")), Value::of(false)};
  return object_of(run, "joiner", joiner_call, state);
}

// items[0] is the position, the values follow.
Value cycler_next(Run&, V self, A) {
  auto& items = self.list->items;
  const auto size = static_cast<std::int64_t>(items.size()) - 1;
  const Value current = items[static_cast<std::size_t>(1 + items[0].integer)];
  items[0] = Value::of((items[0].integer + 1) % size);
  return current;
}
Value cycler_reset(Run&, V self, A) {
  self.list->items[0] = Value::of(std::int64_t{0});
  return Value::of_none();
}
Value cycler_call(Run& run, V, A) {
  return run.fail("a cycler is not called; use next()");
}

Value cycler(Run& run, V, A arguments) {
  if (arguments.positional.empty()) return run.fail("cycler() needs at least one value");
  List* state = run.list();
  state->items = {Value::of(std::int64_t{0})};
  state->items.insert(state->items.end(), arguments.positional.begin(), arguments.positional.end());
  return object_of(run, "cycler", cycler_call, state);
}

// cycler.next() finds the cycler's state in the callable's self.
Value cycler_next_method(Run& run, V self, A arguments) {
  return cycler_next(run, self.callable->self, arguments);
}
Value cycler_reset_method(Run& run, V self, A arguments) {
  return cycler_reset(run, self.callable->self, arguments);
}

struct Row {
  std::string_view name;
  Native native;
};

constexpr Row kFunctions[] = {
    {"cycler", cycler},
    {"dict", make_dict},
    {"joiner", joiner},
    {"namespace", make_namespace},
    {"raise_exception", raise_exception},
    {"range", range},
    {"strftime_now", strftime_now},
};

}  // namespace

Native find_function(std::string_view name) {
  const auto* found = std::ranges::find(kFunctions, name, &Row::name);
  return found == std::end(kFunctions) ? nullptr : found->native;
}

Native find_object_method(const Value& object, std::string_view name) {
  if (object.callable->native != cycler_call) return nullptr;
  if (name == "next") return cycler_next_method;
  if (name == "reset") return cycler_reset_method;
  return nullptr;
}

// dict(…): another dict or pairs, then named values.
void fill_dict(Run& run, Dict& dict, const Arguments& arguments) {
  if (arguments.positional.size() > 1) {
    run.fail("dict() takes at most one positional argument");
    return;
  }
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.is(Kind::dict)) {
      const auto entries = source.dict->entries;  // it may be the dict itself
      for (const auto& [key, value] : entries) {
        if (!run.spend()) return;
        dict.set(key, value);
      }
    } else {
      const auto* pairs = iterate(run, source);
      for (std::size_t i = 0; pairs && i < pairs->size() && run.spend(); ++i) {
        const auto* pair = iterate(run, (*pairs)[i]);
        if (!pair || pair->size() != 2 || !is_hashable((*pair)[0])) {
          run.fail("dict() takes pairs of a key and a value");
          return;
        }
        if (spend_key(run, (*pair)[0])) dict.set((*pair)[0], (*pair)[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) {
    if (!run.spend()) return;
    dict.set(Value::of(name), value);
  }
}

}  // namespace millrace::text::jinja
