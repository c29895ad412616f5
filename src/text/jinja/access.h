// value.name, value[key], value[a:b] and iteration, as jinja2's sandbox has them.
#pragma once

#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace millrace::text::jinja {

class Run;

// Attributes (methods, loop.index, …) win over items; neither gives undefined.
Value get_attribute(Run& run, const Value& object, std::string_view name);
// Items win over attributes; neither gives undefined.
Value get_item(Run& run, const Value& object, const Value& key);
// Bounds are none where left out.
Value get_slice(Run& run, const Value& object, const Value& start, const Value& stop,
                const Value& step);
// "a.b.0" as filters take it. An absent `fallback` leaves undefined parts undefined.
Value get_path(Run& run, Value object, const Value& path, const Value& fallback = {});

// What a for loop would run over; generators are used up. Null (and the run has failed) for what
// cannot be iterated over. A list's own items are lent, and change when it changes.
const std::vector<Value>* iterate(Run& run, const Value& value);
// len(value), or -1 where it has none (and the run has failed).
std::int64_t length_of(Run& run, const Value& value);

}  // namespace millrace::text::jinja
