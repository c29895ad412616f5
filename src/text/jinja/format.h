// Python's two ways to format: "%5.2f" % value and "{:>8}".format(value). Widths and precisions are
// bounded.
#pragma once

#include <string_view>

#include "text/jinja/callable.h"
#include "text/jinja/value.h"

namespace millrace::text::jinja {

class Run;

// `value` is a tuple of arguments, a dict for %(name)s, or the one argument.
Value percent_format(Run& run, const Value& format, const Value& value);
Value brace_format(Run& run, const Value& format, const Arguments& arguments);

}  // namespace millrace::text::jinja
