// Filters on sequences: join, map, select, sort, unique, groupby, sum, …
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

Value undefined() {
  return Value::of_undefined("");
}

Value length(Run& run, V self, A) {
  const std::int64_t count = length_of(run, self);
  return run.failed() ? undefined() : Value::of(count);
}

Value list(Run& run, V self, A) {
  const auto* items = iterate(run, self);
  if (!items || !run.spend(items->size())) return undefined();
  List* made = run.list();
  made->items = *items;
  return Value::of(made);
}

Value first(Run& run, V self, A) {
  const auto* items = iterate(run, self);
  if (!items) return undefined();
  return items->empty() ? Value::of_undefined("there is no first item; the sequence is empty")
                        : items->front();
}

Value last(Run& run, V self, A) {
  if (self.is(Kind::list) && !self.list->has_length()) {
    return run.fail("last: a generator has no last item");
  }
  const auto* items = iterate(run, self);
  if (!items) return undefined();
  return items->empty() ? Value::of_undefined("there is no last item; the sequence is empty")
                        : items->back();
}

Value join(Run& run, V self, A arguments) {
  std::array<Value, 2> a;
  if (!bind(run, "join", arguments, {"d", "attribute"}, 0, a)) return {};
  const std::string between = a[0].given() ? to_str(run, a[0]) : "";
  const auto* items = iterate(run, self);
  if (!items) return undefined();
  std::string out;
  for (std::size_t i = 0; i < items->size(); ++i) {
    if (i > 0) out += between;
    append_str(run, out, get_path(run, (*items)[i], a[1]));
    if (run.failed() || out.size() > run.limits().max_output_bytes) break;
  }
  return run.text(std::move(out));
}

Value reverse(Run& run, V self, A) {
  if (self.is_string()) {
    return get_slice(run, self, Value::of_none(), Value::of_none(), Value::of(std::int64_t{-1}));
  }
  const auto* items = iterate(run, self);
  if (!items || !run.spend(items->size())) return undefined();
  List* made = run.list(ListKind::generator);
  made->items.assign(items->rbegin(), items->rend());
  return Value::of(made);
}

Value items(Run& run, V self, A) {
  if (self.is_undefined()) return Value::of(run.list(ListKind::generator));
  if (!self.is(Kind::dict)) return run.fail("items: not a mapping");
  const Value view = find_dict_method("items")(run, self, {});
  if (view.is(Kind::list)) view.list->kind = ListKind::generator;
  return view;
}

// Strings compare without case unless asked otherwise.
Value sort_key(Run& run, V item, V attribute, bool case_sensitive) {
  Value key = get_path(run, item, attribute);
  return !case_sensitive && key.is_string() ? run.text(to_lower(key.text)) : key;
}

// "a,b" names several attributes; they compare one after the other. Always a list, in which equal
// values need no order.
Value multi_key(Run& run, V item, V attribute, bool case_sensitive) {
  List* keys = run.list();
  if (!attribute.is_string()) {
    keys->items.push_back(sort_key(run, item, attribute, case_sensitive));
    return Value::of(keys);
  }
  for (std::string_view rest = attribute.text;;) {
    const std::size_t comma = rest.find(',');
    keys->items.push_back(sort_key(run, item, Value::of(rest.substr(0, comma)), case_sensitive));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return Value::of(keys);
}

struct Keyed {
  Value key;
  Value item;
};

// A merge sort of our own: std::stable_sort may not see an order that fails half-way.
void merge_sort(Run& run, std::vector<Keyed>& rows, bool reversed) {
  std::vector<Keyed> other(rows.size());
  for (std::size_t width = 1; width < rows.size() && !run.failed(); width *= 2) {
    for (std::size_t begin = 0; begin < rows.size(); begin += 2 * width) {
      const std::size_t middle = std::min(begin + width, rows.size());
      const std::size_t end = std::min(begin + 2 * width, rows.size());
      std::size_t left = begin, right = middle;
      for (std::size_t out = begin; out < end; ++out) {
        const bool take_right =
            right < end &&
            (left >= middle || (reversed ? less(run, rows[left].key, rows[right].key)
                                         : less(run, rows[right].key, rows[left].key)));
        other[out] = rows[take_right ? right++ : left++];
      }
    }
    rows.swap(other);
  }
}

Value sort(Run& run, V self, A arguments) {
  std::array<Value, 3> a;
  if (!bind(run, "sort", arguments, {"reverse", "case_sensitive", "attribute"}, 0, a)) return {};
  const auto* source = iterate(run, self);
  if (!source || !run.spend(source->size())) return undefined();
  std::vector<Keyed> rows;
  for (std::size_t i = 0; i < source->size(); ++i) {
    const Value item = (*source)[i];
    rows.push_back({multi_key(run, item, a[2], truth(a[1])), item});
  }
  merge_sort(run, rows, truth(a[0]));
  List* made = run.list();
  for (const Keyed& row : rows) made->items.push_back(row.item);
  return Value::of(made);
}

Value dictsort(Run& run, V self, A arguments) {
  std::array<Value, 3> a;
  if (!bind(run, "dictsort", arguments, {"case_sensitive", "by", "reverse"}, 0, a)) return {};
  if (self.is_undefined()) return run.fail(std::string(self.text));
  if (!self.is(Kind::dict)) return run.fail("dictsort: not a mapping");
  const std::string_view by = a[1].is_string() ? a[1].text : "key";
  if (by != "key" && by != "value") return run.fail("dictsort: by must be 'key' or 'value'");
  std::vector<Keyed> rows;
  for (const auto& [key, value] : self.dict->entries) {
    List* pair = run.list(ListKind::tuple);
    pair->items = {key, value};
    rows.push_back({sort_key(run, by == "key" ? key : value, {}, truth(a[0])), Value::of(pair)});
    if (run.failed()) return undefined();
  }
  merge_sort(run, rows, truth(a[2]));
  List* made = run.list();
  for (const Keyed& row : rows) made->items.push_back(row.item);
  return Value::of(made);
}

Value unique(Run& run, V self, A arguments) {
  std::array<Value, 2> a;
  if (!bind(run, "unique", arguments, {"case_sensitive", "attribute"}, 0, a)) return {};
  const auto* source = iterate(run, self);
  if (!source) return undefined();
  List* made = run.list(ListKind::generator);
  Dict* seen = run.dict();
  for (const Value& item : *source) {
    if (!run.spend()) break;
    const Value key = sort_key(run, item, a[1], truth(a[0]));
    if (!is_hashable(key)) return run.fail("unique: an item cannot be compared by its hash");
    if (!spend_key(run, key) || seen->find(key)) continue;
    seen->set(key, Value::of(true));
    made->items.push_back(item);
  }
  return Value::of(made);
}

template <bool largest>
Value extreme(Run& run, V self, A arguments) {
  std::array<Value, 2> a;
  if (!bind(run, largest ? "max" : "min", arguments, {"case_sensitive", "attribute"}, 0, a))
    return {};
  const auto* source = iterate(run, self);
  if (!source) return undefined();
  if (source->empty()) return Value::of_undefined("there is no item; the sequence is empty");
  Keyed best{sort_key(run, source->front(), a[1], truth(a[0])), source->front()};
  for (std::size_t i = 1; i < source->size() && !run.failed(); ++i) {
    const Value key = sort_key(run, (*source)[i], a[1], truth(a[0]));
    if (largest ? less(run, best.key, key) : less(run, key, best.key)) best = {key, (*source)[i]};
  }
  return best.item;
}

Value sum(Run& run, V self, A arguments) {
  std::array<Value, 2> a;
  if (!bind(run, "sum", arguments, {"attribute", "start"}, 0, a)) return {};
  const auto* source = iterate(run, self);
  Value total = a[1].given() ? a[1] : Value::of(std::int64_t{0});
  if (total.is_string()) return run.fail("sum: strings are joined with join");
  for (std::size_t i = 0; source && i < source->size() && run.spend(); ++i) {
    total = arithmetic(run, Operator::add, total, get_path(run, (*source)[i], a[0]));
  }
  return total;
}

Value batch(Run& run, V self, A arguments) {
  std::array<Value, 2> a;
  if (!bind(run, "batch", arguments, {"linecount", "fill_with"}, 1, a)) return {};
  const auto* source = iterate(run, self);
  if (!source) return undefined();
  const std::int64_t size = a[0].is_integral() ? a[0].as_integer() : 0;
  if (size <= 0 || size > 100'000) return run.fail("batch: the size is out of range");
  List* made = run.list(ListKind::generator);
  List* current = nullptr;
  for (std::size_t i = 0; i < source->size() && run.spend(); ++i) {
    if (i % static_cast<std::size_t>(size) == 0) {
      current = run.list();
      made->items.push_back(Value::of(current));
    }
    current->items.push_back((*source)[i]);
  }
  if (current && a[1].given() && !a[1].is_none()) {
    while (current->items.size() < static_cast<std::size_t>(size) && run.spend()) {
      current->items.push_back(a[1]);
    }
  }
  return Value::of(made);
}

Value groupby(Run& run, V self, A arguments) {
  std::array<Value, 3> a;
  if (!bind(run, "groupby", arguments, {"attribute", "default", "case_sensitive"}, 1, a)) return {};
  const auto* source = iterate(run, self);
  if (!source) return undefined();
  std::vector<Keyed> rows;
  for (std::size_t i = 0; i < source->size() && run.spend(); ++i) {
    const Value item = (*source)[i];
    Value key = get_path(run, item, a[0], a[1]);
    if (!truth(a[2]) && key.is_string()) key = run.text(to_lower(key.text));
    rows.push_back({key, item});
  }
  merge_sort(run, rows, false);
  List* made = run.list();
  List* members = nullptr;
  for (std::size_t i = 0; i < rows.size() && !run.failed(); ++i) {
    if (i == 0 || !equal(run, rows[i - 1].key, rows[i].key)) {
      members = run.list();
      List* group = run.list(ListKind::group);
      group->items = {get_path(run, rows[i].item, a[0], a[1]), Value::of(members)};
      made->items.push_back(Value::of(group));
    }
    members->items.push_back(rows[i].item);
  }
  return Value::of(made);
}

// The arguments behind the first `skipped` ones.
Arguments rest_of(A arguments, std::size_t skipped) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<std::ptrdiff_t>(skipped));
  return rest;
}

Value map(Run& run, V self, A arguments) {
  List* made = run.list(ListKind::generator);
  if (!truth(self)) return Value::of(made);
  const auto* source = iterate(run, self);
  if (!source) return undefined();
  if (arguments.positional.empty()) {
    std::array<Value, 2> a;
    if (!bind(run, "map", arguments, {"attribute", "default"}, 1, a)) return {};
    for (std::size_t i = 0; i < source->size() && run.spend(); ++i) {
      made->items.push_back(get_path(run, (*source)[i], a[0], a[1]));
    }
    return Value::of(made);
  }
  const Value& name = arguments.positional[0];
  const Native filter = name.is_string() ? find_filter(name.text) : nullptr;
  if (!filter) return run.fail("map: no filter named '" + to_str(run, name).substr(0, 100) + "'");
  const Arguments rest = rest_of(arguments, 1);
  for (std::size_t i = 0; i < source->size() && run.spend(); ++i) {
    made->items.push_back(filter(run, (*source)[i], rest));
  }
  return Value::of(made);
}

// select, reject, selectattr and rejectattr.
template <bool wanted, bool by_attribute>
Value pick(Run& run, V self, A arguments) {
  List* made = run.list(ListKind::generator);
  if (!truth(self)) return Value::of(made);
  const auto* source = iterate(run, self);
  if (!source) return undefined();
  constexpr std::size_t kBefore = by_attribute ? 1 : 0;
  if (arguments.positional.size() < kBefore) return run.fail("the name of an attribute is missing");
  const Value attribute = by_attribute ? arguments.positional[0] : Value();
  Native test = nullptr;
  Arguments rest;
  if (arguments.positional.size() > kBefore) {
    const Value& name = arguments.positional[kBefore];
    test = name.is_string() ? find_test(name.text) : nullptr;
    if (!test) return run.fail("no test named '" + to_str(run, name).substr(0, 100) + "'");
    rest = rest_of(arguments, kBefore + 1);
  }
  for (std::size_t i = 0; i < source->size() && run.spend(); ++i) {
    const Value item = (*source)[i];
    const Value tested = get_path(run, item, attribute);
    if (run.failed()) break;
    if (truth(test ? test(run, tested, rest) : tested) == wanted) made->items.push_back(item);
  }
  return Value::of(made);
}

struct Row {
  std::string_view name;
  Native native;
};

constexpr Row kFilters[] = {
    {"batch", batch},
    {"count", length},
    {"dictsort", dictsort},
    {"first", first},
    {"groupby", groupby},
    {"items", items},
    {"join", join},
    {"last", last},
    {"length", length},
    {"list", list},
    {"map", map},
    {"max", extreme<true>},
    {"min", extreme<false>},
    {"reject", pick<false, false>},
    {"rejectattr", pick<false, true>},
    {"reverse", reverse},
    {"select", pick<true, false>},
    {"selectattr", pick<true, true>},
    {"sort", sort},
    {"sum", sum},
    {"unique", unique},
};

}  // namespace

Native find_sequence_filter(std::string_view name) {
  const auto* found = std::ranges::find(kFilters, name, &Row::name);
  return found == std::end(kFilters) ? nullptr : found->native;
}

}  // namespace millrace::text::jinja
