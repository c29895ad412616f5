// The values that templates compute with. They behave as Python's: strings count code points, lists
// and dicts are shared by reference, True is 1. A Value is a small plain handle; what it points to
// belongs to the Run (one rendering), to the template or to the caller's context, all of which
// outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace millrace::text::jinja {

struct List;
struct Dict;
struct Callable;
struct Loop;

enum class Kind : std::uint8_t {
  absent,     // no value at all: an argument that was not given, a name that is not set
  undefined,  // jinja2's Undefined; text names what was not there
  none,
  boolean,
  integer,
  real,
  string,
  list,  // and tuples, generators, views, ranges: see ListKind
  dict,
  space,  // namespace(): a dict by attribute
  callable,
  loop,  // the `loop` of a for
};

struct Value {
  Kind kind = Kind::absent;
  bool markup = false;  // string only: |safe or |escape was applied
  union {
    bool boolean;
    std::int64_t integer;
    double real;
    std::string_view text;
    List* list;
    Dict* dict;
    Callable* callable;
    Loop* loop;
  };

  Value() : integer(0) {}
  static Value of_none() {
    Value value;
    value.kind = Kind::none;
    return value;
  }
  static Value of_undefined(std::string_view what) {
    Value value;
    value.kind = Kind::undefined;
    value.text = what;
    return value;
  }
  static Value of(bool flag) {
    Value value;
    value.kind = Kind::boolean;
    value.boolean = flag;
    return value;
  }
  static Value of(std::int64_t number) {
    Value value;
    value.kind = Kind::integer;
    value.integer = number;
    return value;
  }
  static Value of(double number) {
    Value value;
    value.kind = Kind::real;
    value.real = number;
    return value;
  }
  // Does not copy: `text` must outlive the value.
  static Value of(std::string_view text) {
    Value value;
    value.kind = Kind::string;
    value.text = text;
    return value;
  }
  static Value of(const char*) = delete;  // would be a bool
  static Value of(List* list) {
    Value value;
    value.kind = Kind::list;
    value.list = list;
    return value;
  }
  static Value of(Dict* dict, Kind kind = Kind::dict) {
    Value value;
    value.kind = kind;
    value.dict = dict;
    return value;
  }
  static Value of(Callable* callable) {
    Value value;
    value.kind = Kind::callable;
    value.callable = callable;
    return value;
  }
  static Value of(Loop* loop) {
    Value value;
    value.kind = Kind::loop;
    value.loop = loop;
    return value;
  }

  bool is(Kind other) const { return kind == other; }
  bool given() const { return kind != Kind::absent; }
  bool is_string() const { return kind == Kind::string; }
  bool is_undefined() const { return kind == Kind::undefined; }
  bool is_none() const { return kind == Kind::none; }
  // Booleans are integers, as in Python.
  bool is_integral() const { return kind == Kind::integer || kind == Kind::boolean; }
  bool is_number() const { return is_integral() || kind == Kind::real; }
  std::int64_t as_integer() const { return kind == Kind::boolean ? boolean : integer; }
  double as_real() const { return kind == Kind::real ? real : static_cast<double>(as_integer()); }
};

enum class ListKind : std::uint8_t {
  list,
  tuple,
  group,      // a tuple (grouper, list) with those attribute names
  generator,  // what map, select, … give: iterable once, without length
  keys,
  values,
  items,
  range,
};

struct List {
  ListKind kind = ListKind::list;
  bool spent = false;  // a generator that was iterated over
  std::vector<Value> items;

  bool is_view() const {
    return kind == ListKind::keys || kind == ListKind::values || kind == ListKind::items;
  }
  bool is_tuple() const { return kind == ListKind::tuple || kind == ListKind::group; }
  bool has_length() const { return kind != ListKind::generator; }
  // Can be indexed.
  bool is_sequence() const { return has_length() && !is_view(); }
};

// A Python dict: keeps the order of insertion. Keys are strings, numbers, booleans, None or tuples.
struct Dict {
  std::vector<std::pair<Value, Value>> entries;

  // Null where there is none. The pointer lives until the dict changes.
  Value* find(const Value& key);
  const Value* find(const Value& key) const { return const_cast<Dict*>(this)->find(key); }
  void set(const Value& key, const Value& value);
  bool erase(const Value& key);

 private:
  std::size_t position(const Value& key);
  struct KeyHash {
    std::size_t operator()(const Value& key) const;
  };
  struct KeyEqual {
    bool operator()(const Value& a, const Value& b) const;
  };
  std::unordered_map<Value, std::size_t, KeyHash, KeyEqual> index_;  // of larger dicts
};

// Tuples only while they are short and hold no lists: keys must be cheap.
bool is_hashable(const Value& value);
// Equality of dict keys: 1 == 1.0 == True; no recursion beyond tuples.
bool same_key(const Value& a, const Value& b);

// Python's bool(value).
bool truth(const Value& value);
// Its type, as error messages name it: "str", "int", "dict", "Undefined", …
const char* type_name(const Value& value);

}  // namespace millrace::text::jinja
