#include "text/jinja/value.h"

#include <functional>

#include "text/jinja/callable.h"

namespace millrace::text::jinja {
namespace {

constexpr std::size_t kIndexFrom = 9;  // smaller dicts are searched one by one
constexpr std::size_t kMaxTupleKey = 64;
constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

const char* list_type_name(ListKind kind) {
  switch (kind) {
    case ListKind::list:
      return "list";
    case ListKind::tuple:
    case ListKind::group:
      return "tuple";
    case ListKind::generator:
      return "generator";
    case ListKind::keys:
      return "dict_keys";
    case ListKind::values:
      return "dict_values";
    case ListKind::items:
      return "dict_items";
    case ListKind::range:
      return "range";
  }
  return "list";
}

}  // namespace

std::size_t Dict::KeyHash::operator()(const Value& key) const {
  if (key.is_string()) return std::hash<std::string_view>()(key.text);
  if (key.is_number()) return std::hash<double>()(key.as_real());
  if (!key.is(Kind::list) || !key.list->is_tuple()) return 0;
  std::size_t mixed = key.list->items.size();
  for (const Value& item : key.list->items) mixed = mixed * 1'000'003 + (*this)(item);
  return mixed;
}

bool Dict::KeyEqual::operator()(const Value& a, const Value& b) const {
  return same_key(a, b);
}

std::size_t Dict::position(const Value& key) {
  if (entries.size() >= kIndexFrom) {
    if (index_.empty()) {
      for (std::size_t i = 0; i < entries.size(); ++i) index_.emplace(entries[i].first, i);
    }
    const auto found = index_.find(key);
    return found == index_.end() ? kNowhere : found->second;
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (same_key(entries[i].first, key)) return i;
  }
  return kNowhere;
}

Value* Dict::find(const Value& key) {
  const std::size_t at = position(key);
  return at == kNowhere ? nullptr : &entries[at].second;
}

void Dict::set(const Value& key, const Value& value) {
  if (Value* old = find(key)) {
    *old = value;
    return;
  }
  if (!index_.empty()) index_.emplace(key, entries.size());
  entries.emplace_back(key, value);
}

bool Dict::erase(const Value& key) {
  const std::size_t at = position(key);
  if (at == kNowhere) return false;
  entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(at));
  index_.clear();
  return true;
}

bool is_hashable(const Value& value) {
  if (value.is(Kind::dict)) return false;
  if (!value.is(Kind::list)) return true;
  if (!value.list->is_tuple()) return value.list->kind == ListKind::generator;
  if (value.list->items.size() > kMaxTupleKey) return false;
  for (const Value& item : value.list->items) {
    // One level is enough for real keys and bounds the recursion.
    if (item.is(Kind::dict) || item.is(Kind::list)) return false;
  }
  return true;
}

bool same_key(const Value& a, const Value& b) {
  if (a.is_string() || b.is_string()) return a.is_string() && b.is_string() && a.text == b.text;
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.as_integer() == b.as_integer();
    return a.as_real() == b.as_real();
  }
  if (a.kind != b.kind) return false;
  if (a.is(Kind::list)) {
    if (a.list == b.list) return true;
    if (!a.list->is_tuple() || !b.list->is_tuple()) return false;
    const auto& left = a.list->items;
    const auto& right = b.list->items;
    if (left.size() != right.size()) return false;
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (left[i].is(Kind::list) || !same_key(left[i], right[i])) return false;
    }
    return true;
  }
  if (a.is(Kind::callable)) return a.callable == b.callable;
  if (a.is(Kind::space)) return a.dict == b.dict;
  if (a.is(Kind::loop)) return a.loop == b.loop;
  return a.is_none() || a.is_undefined();
}

bool truth(const Value& value) {
  switch (value.kind) {
    case Kind::absent:
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
      return value.boolean;
    case Kind::integer:
      return value.integer != 0;
    case Kind::real:
      return value.real != 0;
    case Kind::string:
      return !value.text.empty();
    case Kind::list:
      return !value.list->has_length() || !value.list->items.empty();
    case Kind::dict:
      return !value.dict->entries.empty();
    case Kind::space:
    case Kind::callable:
    case Kind::loop:
      return true;
  }
  return false;
}

const char* type_name(const Value& value) {
  switch (value.kind) {
    case Kind::absent:
    case Kind::undefined:
      return "Undefined";
    case Kind::none:
      return "NoneType";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
      return "int";
    case Kind::real:
      return "float";
    case Kind::string:
      return value.markup ? "Markup" : "str";
    case Kind::list:
      return list_type_name(value.list->kind);
    case Kind::dict:
      return "dict";
    case Kind::space:
      return "Namespace";
    case Kind::callable:
      return value.callable->macro ? "Macro" : "function";
    case Kind::loop:
      return "LoopContext";
  }
  return "object";
}

}  // namespace millrace::text::jinja
