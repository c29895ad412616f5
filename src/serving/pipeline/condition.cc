#include "serving/pipeline/condition.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "serving/pipeline/values.h"

namespace millrace::serving {
namespace {

using Of = Condition::Of;
using Op = Condition::Op;

struct OfName {
  std::string_view name;
  Of of;
};
constexpr OfName kOf[] = {
    {"any", Of::any}, {"all", Of::all}, {"min", Of::min}, {"max", Of::max}, {"rows", Of::rows}};

struct OpName {
  std::string_view text;
  Op op;
};
constexpr OpName kOps[] = {{">=", Op::at_least}, {"<=", Op::at_most}, {"==", Op::equal},
                           {"!=", Op::unequal},  {">", Op::more},     {"<", Op::less}};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool compare(Op op, double a, double b) {
  switch (op) {
    case Op::more:
      return a > b;
    case Op::at_least:
      return a >= b;
    case Op::less:
      return a < b;
    case Op::at_most:
      return a <= b;
    case Op::equal:
      return a == b;
    case Op::unequal:
      return a != b;
  }
  return false;
}

std::unexpected<Error> not_understood(std::string_view text) {
  return invalid(
      fmt::format("\"{}\" is not a condition; write \"step.output > 0.5\", or any, all, "
                  "min, max or rows of it: \"any(step.output) > 0.5\"",
                  text.substr(0, 100)));
}

}  // namespace

Result<SourceName> read_source(std::string_view text) {
  const auto dot = text.find('.');
  SourceName source{.step = std::string(text.substr(0, dot))};
  if (dot != std::string_view::npos) source.output = text.substr(dot + 1);
  const bool good = !source.step.empty() && text.size() <= 256 &&
                    (dot == std::string_view::npos || !source.output.empty());
  if (good) return source;
  return invalid(fmt::format("\"{}\" is no source; write \"step.output\" or \"input.name\"",
                             text.substr(0, 100)));
}

std::string to_string(const SourceName& source) {
  return source.output.empty() ? source.step : source.step + "." + source.output;
}

Result<Condition> read_condition(std::string_view text) {
  const auto at = text.find_first_of("<>=!");
  if (at == std::string_view::npos) return not_understood(text);
  const auto op = std::ranges::find_if(
      kOps, [&](const OpName& known) { return text.substr(at).starts_with(known.text); });
  if (op == std::end(kOps)) return not_understood(text);
  Condition condition{.op = op->op};
  std::string_view left = trimmed(text.substr(0, at));
  const std::string_view right = trimmed(text.substr(at + op->text.size()));
  const auto [end, error] =
      std::from_chars(right.data(), right.data() + right.size(), condition.number);
  if (error != std::errc() || end != right.data() + right.size()) return not_understood(text);
  if (left.ends_with(')')) {
    const auto open = left.find('(');
    const auto of = std::ranges::find(kOf, left.substr(0, open), &OfName::name);
    if (of == std::end(kOf)) return not_understood(text);
    condition.of = of->of;
    left = trimmed(left.substr(open + 1, left.size() - open - 2));
  }
  if (left.find_first_of(" \t()") != std::string_view::npos) return not_understood(text);
  auto source = read_source(left);
  if (!source) return not_understood(text);
  condition.source = *std::move(source);
  return condition;
}

Result<bool> Condition::holds(const Value& value) const {
  if (of == Of::rows) return compare(op, static_cast<double>(num_rows(value)), number);
  if (!is_number(value.dtype)) return invalid("strings cannot be compared with a number");
  const std::int64_t count = value.shape.num_elements();
  if (of == Of::value) {
    if (count == 1) return compare(op, number_at(value, 0), number);
    return invalid(fmt::format(
        "the condition needs one element and there are {}; say any or all of them", count));
  }
  bool any = false, all = true;
  double least = std::nan(""), most = std::nan("");
  for (std::int64_t i = 0; i < count; ++i) {
    const double element = number_at(value, i);
    const bool holds = compare(op, element, number);
    any = any || holds;
    all = all && holds;
    least = std::fmin(least, element);
    most = std::fmax(most, element);
  }
  if (of == Of::any) return any;
  if (of == Of::all) return all;
  return count > 0 && compare(op, of == Of::min ? least : most, number);
}

}  // namespace millrace::serving
