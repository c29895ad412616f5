// Tokens to a tree, with jinja2's grammar. Recursion is bounded.
#pragma once

#include <string_view>

#include "base/result.h"
#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace millrace::text::jinja {

inline constexpr int kMaxNesting = 128;  // blocks, brackets and operators inside each other
inline constexpr std::size_t kMaxSource = std::size_t{1} << 20;  // bytes of a template

// The template owns a copy of `source`.
Result<std::unique_ptr<Template>> parse_template(std::string_view source,
                                                 const LexerOptions& options = {});

}  // namespace millrace::text::jinja
