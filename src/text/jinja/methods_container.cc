// Methods of lists and dicts, and of the loop. Lists and dicts belong to this rendering alone, so
// templates may change them (jinja2's immutable sandbox forbids it, its plain sandbox does not).
#include <algorithm>
#include <array>
#include <string>

#include "text/jinja/access.h"
#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/run.h"

namespace millrace::text::jinja {
namespace {

using A = const Arguments&;
using V = const Value&;

Value none() {
  return Value::of_none();
}

Value append(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "append", arguments, {"object"}, 1, a) || !run.spend()) return {};
  self.list->items.push_back(a[0]);
  return none();
}

Value extend(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "extend", arguments, {"iterable"}, 1, a)) return {};
  const auto* items = iterate(run, a[0]);
  if (!items || !run.spend(items->size())) return {};
  const std::vector<Value> copy = *items;  // it may be the list itself
  self.list->items.insert(self.list->items.end(), copy.begin(), copy.end());
  return none();
}

Value insert(Run& run, V self, A arguments) {
  std::array<Value, 2> a;
  if (!bind(run, "insert", arguments, {"index", "object"}, 2, a)) return {};
  if (!a[0].is_integral()) return run.fail("insert() needs an integer");
  const auto size = static_cast<std::int64_t>(self.list->items.size());
  if (!run.spend(1 + self.list->items.size() / 16)) return {};
  std::int64_t at = a[0].as_integer();
  if (at < 0) at += size;
  at = std::clamp<std::int64_t>(at, 0, size);
  self.list->items.insert(self.list->items.begin() + at, a[1]);
  return none();
}

Value pop_item(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "pop", arguments, {"index"}, 0, a)) return {};
  auto& items = self.list->items;
  const auto size = static_cast<std::int64_t>(items.size());
  std::int64_t at = a[0].is_integral() ? a[0].as_integer() : -1;
  if (at < 0) at += size;
  if (at < 0 || at >= size) return run.fail("pop(): the index is out of range");
  if (!run.spend(1 + items.size() / 16)) return {};
  const Value taken = items[static_cast<std::size_t>(at)];
  items.erase(items.begin() + at);
  return taken;
}

// Where an item equal to the argument is; size() where there is none.
std::size_t position_of(Run& run, V self, V wanted) {
  const auto& items = self.list->items;
  for (std::size_t i = 0; i < items.size() && !run.failed(); ++i) {
    if (equal(run, items[i], wanted)) return i;
  }
  return items.size();
}

Value remove(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "remove", arguments, {"value"}, 1, a)) return {};
  const std::size_t at = position_of(run, self, a[0]);
  if (at == self.list->items.size()) return run.fail("remove(): there is no such item");
  self.list->items.erase(self.list->items.begin() + static_cast<std::ptrdiff_t>(at));
  return none();
}

Value index(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "index", arguments, {"value"}, 1, a)) return {};
  const std::size_t at = position_of(run, self, a[0]);
  if (at == self.list->items.size()) return run.fail("index(): there is no such item");
  return Value::of(static_cast<std::int64_t>(at));
}

Value count(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "count", arguments, {"value"}, 1, a)) return {};
  std::int64_t found = 0;
  for (const Value& item : self.list->items) {
    found += equal(run, item, a[0]);
    if (run.failed()) break;
  }
  return Value::of(found);
}

Value reverse(Run& run, V self, A) {
  if (!run.spend(self.list->items.size())) return {};
  std::ranges::reverse(self.list->items);
  return none();
}

Value sort_in_place(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "sort", arguments, {"reverse"}, 0, a)) return {};
  Arguments as_filter;
  as_filter.positional = {Value::of(truth(a[0])), Value::of(true)};
  const Value sorted = find_filter("sort")(run, self, as_filter);
  if (!run.failed()) self.list->items = sorted.list->items;
  return none();
}

Value clear_list(Run&, V self, A) {
  self.list->items.clear();
  return none();
}

Value copy_list(Run& run, V self, A) {
  if (!run.spend(self.list->items.size())) return {};
  List* copy = run.list();
  copy->items = self.list->items;
  return Value::of(copy);
}

Value get(Run& run, V self, A arguments) {
  std::array<Value, 2> a;
  if (!bind(run, "get", arguments, {"key", "default"}, 1, a)) return {};
  if (!is_hashable(a[0])) return run.fail("get(): this cannot be a key");
  if (!spend_key(run, a[0])) return {};
  if (const Value* found = self.dict->find(a[0])) return *found;
  return a[1].given() ? a[1] : none();
}

template <ListKind kind>
Value view(Run& run, V self, A) {
  if (!run.spend(self.dict->entries.size())) return {};
  List* list = run.list(kind);
  for (const auto& [key, value] : self.dict->entries) {
    if (kind == ListKind::keys) {
      list->items.push_back(key);
    } else if (kind == ListKind::values) {
      list->items.push_back(value);
    } else {
      List* pair = run.list(ListKind::tuple);
      pair->items = {key, value};
      list->items.push_back(Value::of(pair));
    }
  }
  return Value::of(list);
}

Value pop_key(Run& run, V self, A arguments) {
  std::array<Value, 2> a;
  if (!bind(run, "pop", arguments, {"key", "default"}, 1, a)) return {};
  if (!is_hashable(a[0])) return run.fail("pop(): this cannot be a key");
  if (!spend_key(run, a[0])) return {};
  const Value* found = self.dict->find(a[0]);
  if (!found) return a[1].given() ? a[1] : run.fail("pop(): there is no such key");
  if (!run.spend(1 + self.dict->entries.size() / 4)) return {};
  const Value taken = *found;
  self.dict->erase(a[0]);
  return taken;
}

Value setdefault(Run& run, V self, A arguments) {
  std::array<Value, 2> a;
  if (!bind(run, "setdefault", arguments, {"key", "default"}, 1, a)) return {};
  if (!is_hashable(a[0])) return run.fail("setdefault(): this cannot be a key");
  if (!spend_key(run, a[0])) return {};
  if (const Value* found = self.dict->find(a[0])) return *found;
  const Value value = a[1].given() ? a[1] : none();
  if (run.spend()) self.dict->set(a[0], value);
  return value;
}

Value update(Run& run, V self, A arguments) {
  fill_dict(run, *self.dict, arguments);
  return none();
}

Value clear_dict(Run&, V self, A) {
  *self.dict = Dict();
  return none();
}

Value copy_dict(Run& run, V self, A) {
  if (!run.spend(self.dict->entries.size())) return {};
  Dict* copy = run.dict();
  *copy = *self.dict;
  return Value::of(copy);
}

// loop.cycle("odd", "even")
Value loop_cycle(Run& run, V self, A arguments) {
  if (arguments.positional.empty()) return run.fail("cycle() needs at least one value");
  return arguments.positional[self.loop->index % arguments.positional.size()];
}

// loop.changed(value): whether it differs from that of the last call.
Value loop_changed(Run& run, V self, A arguments) {
  auto& last = self.loop->last_changed;
  bool same = last.size() == arguments.positional.size() && !last.empty();
  for (std::size_t i = 0; same && i < last.size(); ++i) {
    same = equal(run, last[i], arguments.positional[i]);
  }
  if (!same) last = arguments.positional;
  return Value::of(!same);
}

struct Row {
  std::string_view name;
  Native native;
};

constexpr Row kListMethods[] = {
    {"append", append}, {"clear", clear_list}, {"copy", copy_list},     {"count", count},
    {"extend", extend}, {"index", index},      {"insert", insert},      {"pop", pop_item},
    {"remove", remove}, {"reverse", reverse},  {"sort", sort_in_place},
};

constexpr Row kDictMethods[] = {
    {"clear", clear_dict},
    {"copy", copy_dict},
    {"get", get},
    {"items", view<ListKind::items>},
    {"keys", view<ListKind::keys>},
    {"pop", pop_key},
    {"setdefault", setdefault},
    {"update", update},
    {"values", view<ListKind::values>},
};

constexpr Row kLoopMethods[] = {{"cycle", loop_cycle}, {"changed", loop_changed}};

template <std::size_t N>
Native look_up(const Row (&rows)[N], std::string_view name) {
  const auto* found = std::ranges::find(rows, name, &Row::name);
  return found == std::end(rows) ? nullptr : found->native;
}

}  // namespace

Native find_list_method(std::string_view name) {
  return look_up(kListMethods, name);
}
Native find_dict_method(std::string_view name) {
  return look_up(kDictMethods, name);
}

Native find_method(const Value& object, std::string_view name) {
  switch (object.kind) {
    case Kind::string:
      return find_string_method(name);
    case Kind::dict:
      return find_dict_method(name);
    case Kind::loop:
      return look_up(kLoopMethods, name);
    case Kind::list:
      if (object.list->kind == ListKind::list) return find_list_method(name);
      if (object.list->is_tuple() && (name == "count" || name == "index")) {
        return find_list_method(name);
      }
      return nullptr;
    case Kind::callable:
      return find_object_method(object, name);
    default:
      return nullptr;
  }
}

}  // namespace millrace::text::jinja
