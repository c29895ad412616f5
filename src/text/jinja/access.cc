#include "text/jinja/access.h"

#include <algorithm>
#include <string>

#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/run.h"
#include "text/jinja/utf8.h"

namespace millrace::text::jinja {
namespace {

Value missing(Run& run, const Value& object, std::string_view name) {
  std::string what = "'";
  what += object.is(Kind::dict) ? "dict object" : std::string(type_name(object)) + " object";
  what += "' has no attribute '";
  what += name.substr(0, 100);
  what += "'";
  const Value text = run.text(std::move(what));
  return Value::of_undefined(text.is_string() ? text.text : std::string_view());
}

Value loop_attribute(const Loop& loop, std::string_view name, bool& found) {
  const auto size = static_cast<std::int64_t>(loop.items->size());
  const auto index = static_cast<std::int64_t>(loop.index);
  found = true;
  if (name == "index") return Value::of(index + 1);
  if (name == "index0") return Value::of(index);
  if (name == "revindex") return Value::of(size - index);
  if (name == "revindex0") return Value::of(size - index - 1);
  if (name == "first") return Value::of(index == 0);
  if (name == "last") return Value::of(index + 1 >= size);
  if (name == "length") return Value::of(size);
  if (name == "depth") return Value::of(std::int64_t{loop.depth});
  if (name == "depth0") return Value::of(std::int64_t{loop.depth} - 1);
  if (name == "previtem") {
    return index > 0 && index <= size ? (*loop.items)[loop.index - 1]
                                      : Value::of_undefined("there is no previous item");
  }
  if (name == "nextitem") {
    return index + 1 < size ? (*loop.items)[loop.index + 1]
                            : Value::of_undefined("there is no next item");
  }
  found = false;
  return {};
}

// Attributes proper, without items. Absent where there is none.
Value own_attribute(Run& run, const Value& object, std::string_view name) {
  if (object.is(Kind::space)) {
    const Value* value = object.dict->find(Value::of(name));
    return value ? *value : Value();
  }
  if (object.is(Kind::loop)) {
    bool found = false;
    const Value value = loop_attribute(*object.loop, name, found);
    if (found) return value;
  }
  if (object.is(Kind::list) && object.list->kind == ListKind::group) {
    if (name == "grouper") return object.list->items[0];
    if (name == "list") return object.list->items[1];
  }
  if (object.is(Kind::callable) && name == "name") return Value::of(object.callable->name);
  if (const Native method = find_method(object, name)) {
    Callable* bound = run.callable();
    bound->name = name;
    bound->native = method;
    bound->self = object;
    return Value::of(bound);
  }
  return {};
}

// By position, negative ones from the end. Absent when out of range or not indexable.
Value by_index(Run& run, const Value& object, std::int64_t index) {
  if (object.is(Kind::list) && object.list->is_sequence()) {
    const auto size = static_cast<std::int64_t>(object.list->items.size());
    if (index < 0) index += size;
    if (index >= 0 && index < size) return object.list->items[static_cast<std::size_t>(index)];
  } else if (object.is_string()) {
    run.spend_bytes(object.text.size());
    const auto size = static_cast<std::int64_t>(count_chars(object.text));
    if (index < 0) index += size;
    if (index < 0 || index >= size) return {};
    const auto at = static_cast<std::size_t>(index);
    if (static_cast<std::size_t>(size) == object.text.size()) {
      return Value::of(object.text.substr(at, 1));
    }
    const auto offsets = char_offsets(object.text);
    return Value::of(object.text.substr(offsets[at], offsets[at + 1] - offsets[at]));
  }
  return {};
}

struct Range {
  std::int64_t start = 0, stop = 0, step = 1;
};

bool bound(Run& run, const Value& value, std::int64_t fallback, std::int64_t& out) {
  if (value.is_none() || !value.given()) {
    out = fallback;
  } else if (value.is_integral()) {
    out = value.as_integer();
  } else {
    run.fail("slice bounds must be integers");
    return false;
  }
  return true;
}

// Python's slice.indices().
bool slice_range(Run& run, std::int64_t size, const Value& start, const Value& stop,
                 const Value& step, Range& out) {
  if (!bound(run, step, 1, out.step)) return false;
  if (out.step == 0) {
    run.fail("a slice cannot have step 0");
    return false;
  }
  const bool down = out.step < 0;
  const std::int64_t low = down ? -1 : 0, high = down ? size - 1 : size;
  const auto clamp = [&](std::int64_t at) {
    if (at < 0) at += size;  // cannot overflow: size >= 0
    return std::clamp(at, low, high);
  };
  if (start.is_none() || !start.given()) {
    out.start = down ? high : low;
  } else if (bound(run, start, 0, out.start)) {
    out.start = clamp(out.start);
  }
  if (stop.is_none() || !stop.given()) {
    out.stop = down ? low : high;
  } else if (bound(run, stop, 0, out.stop)) {
    out.stop = clamp(out.stop);
  }
  return !run.failed();
}

}  // namespace

Value get_attribute(Run& run, const Value& object, std::string_view name) {
  if (object.is_undefined()) return run.fail(std::string(object.text));
  Value value = own_attribute(run, object, name);
  if (value.given()) return value;
  if (object.is(Kind::dict)) {
    if (const Value* item = object.dict->find(Value::of(name))) return *item;
  }
  return missing(run, object, name);
}

Value get_item(Run& run, const Value& object, const Value& key) {
  if (object.is_undefined()) return run.fail(std::string(object.text));
  if (object.is(Kind::dict)) {
    if (is_hashable(key) && spend_key(run, key)) {
      if (const Value* item = object.dict->find(key)) return *item;
    }
  } else if (key.is_integral()) {
    const Value item = by_index(run, object, key.as_integer());
    if (item.given()) return item;
  }
  if (key.is_string()) {
    const Value attribute = own_attribute(run, object, key.text);
    if (attribute.given()) return attribute;
    return missing(run, object, key.text);
  }
  return Value::of_undefined("there is no such item");
}

Value get_slice(Run& run, const Value& object, const Value& start, const Value& stop,
                const Value& step) {
  if (object.is_undefined()) return run.fail(std::string(object.text));
  Range range;
  if (object.is_string()) {
    if (!run.spend_bytes(object.text.size())) return Value::of_undefined("");
    const auto offsets = char_offsets(object.text);
    const auto size = static_cast<std::int64_t>(offsets.size()) - 1;
    if (!slice_range(run, size, start, stop, step, range)) return Value::of_undefined("");
    if (range.step == 1) {
      if (range.start >= range.stop) return Value::of(std::string_view());
      const std::size_t begin = offsets[static_cast<std::size_t>(range.start)];
      return Value::of(
          object.text.substr(begin, offsets[static_cast<std::size_t>(range.stop)] - begin));
    }
    std::string text;
    for (std::int64_t i = range.start; range.step > 0 ? i < range.stop : i > range.stop;) {
      const auto at = static_cast<std::size_t>(i);
      text += object.text.substr(offsets[at], offsets[at + 1] - offsets[at]);
      if (__builtin_add_overflow(i, range.step, &i)) break;
    }
    return run.text(std::move(text));
  }
  if (!object.is(Kind::list) || !object.list->is_sequence()) {
    return run.fail(std::string("a value of type ") + type_name(object) + " cannot be sliced");
  }
  const auto& items = object.list->items;
  if (!run.spend(items.size()) ||
      !slice_range(run, static_cast<std::int64_t>(items.size()), start, stop, step, range)) {
    return Value::of_undefined("");
  }
  List* part = run.list(object.list->is_tuple() ? ListKind::tuple : object.list->kind);
  for (std::int64_t i = range.start; range.step > 0 ? i < range.stop : i > range.stop;) {
    part->items.push_back(items[static_cast<std::size_t>(i)]);
    if (__builtin_add_overflow(i, range.step, &i)) break;
  }
  return Value::of(part);
}

Value get_path(Run& run, Value object, const Value& path, const Value& fallback) {
  const auto step = [&](const Value& key) {
    if (!run.spend()) return;
    object = get_item(run, object, key);
    if (object.is_undefined() && fallback.given() && !fallback.is_none()) object = fallback;
  };
  if (!path.given() || path.is_none()) return object;
  if (!path.is_string()) {
    step(path);
    return object;
  }
  std::string_view rest = path.text;
  for (bool more = true; more && !run.failed();) {
    const std::size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    more = dot != std::string_view::npos;
    if (more) rest.remove_prefix(dot + 1);
    const bool is_number = !part.empty() && part.size() < 10 &&
                           std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
    step(is_number ? Value::of(std::int64_t{std::stoll(std::string(part))}) : Value::of(part));
  }
  return object;
}

const std::vector<Value>* iterate(Run& run, const Value& value) {
  switch (value.kind) {
    case Kind::list:
      if (value.list->kind == ListKind::generator) {
        if (value.list->spent) return &run.list()->items;
        value.list->spent = true;
      }
      return &value.list->items;
    case Kind::dict: {
      List* keys = run.list();
      if (!run.spend(value.dict->entries.size())) return nullptr;
      for (const auto& entry : value.dict->entries) keys->items.push_back(entry.first);
      return &keys->items;
    }
    case Kind::string: {
      List* characters = run.list();
      if (!run.spend(value.text.size())) return nullptr;
      for (std::size_t at = 0; at < value.text.size();) {
        const std::size_t begin = at;
        next_char(value.text, at);
        characters->items.push_back(Value::of(value.text.substr(begin, at - begin)));
      }
      return &characters->items;
    }
    case Kind::undefined:
      return run.failed() ? nullptr : &run.list()->items;
    default:
      run.fail(std::string("a value of type ") + type_name(value) + " cannot be iterated over");
      return nullptr;
  }
}

std::int64_t length_of(Run& run, const Value& value) {
  switch (value.kind) {
    case Kind::string:
      run.spend_bytes(value.text.size());
      return static_cast<std::int64_t>(count_chars(value.text));
    case Kind::dict:
      return static_cast<std::int64_t>(value.dict->entries.size());
    case Kind::undefined:
      return 0;
    case Kind::loop:
      return static_cast<std::int64_t>(value.loop->items->size());
    case Kind::list:
      if (value.list->has_length()) return static_cast<std::int64_t>(value.list->items.size());
      [[fallthrough]];
    default:
      run.fail(std::string("a value of type ") + type_name(value) + " has no length");
      return -1;
  }
}

}  // namespace millrace::text::jinja
