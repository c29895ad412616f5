// The functions that templates may name. Null: there is none of that name.
#pragma once

#include <string_view>

#include "text/jinja/callable.h"

namespace millrace::text::jinja {

Native find_filter(std::string_view name);
Native find_test(std::string_view name);
Native find_function(std::string_view name);  // range, namespace, raise_exception, …
Native find_method(const Value& object, std::string_view name);

// By part, for the tables above.
Native find_text_filter(std::string_view name);
Native find_sequence_filter(std::string_view name);
Native find_string_method(std::string_view name);
Native find_list_method(std::string_view name);
Native find_dict_method(std::string_view name);
Native find_object_method(const Value& callable, std::string_view name);  // of a cycler

// What dict(…) and dict.update(…) do with their arguments.
void fill_dict(Run& run, Dict& dict, const Arguments& arguments);

}  // namespace millrace::text::jinja
