// Python's operators. Where Python raises, the run fails.
#pragma once

#include "text/jinja/ast.h"
#include "text/jinja/value.h"

namespace millrace::text::jinja {

class Run;

// add … power.
Value arithmetic(Run& run, Operator op, const Value& a, const Value& b);
Value negate(Run& run, const Value& value);
// equal … not_in.
bool comparison(Run& run, Operator op, const Value& a, const Value& b);

bool equal(Run& run, const Value& a, const Value& b, int depth = 0);
// a < b; fails for types that have no order.
bool less(Run& run, const Value& a, const Value& b, int depth = 0);
// Fuel for looking up a key.
bool spend_key(Run& run, const Value& key);
bool contains(Run& run, const Value& container, const Value& item);

}  // namespace millrace::text::jinja
