#include "serving/pipeline/text_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/json.h"
#include "serving/pipeline/function_step.h"
#include "serving/pipeline/values.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace millrace::serving {
namespace {

using Values = std::vector<Value>;
constexpr std::size_t kMaxLabelBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxTokenizerBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxTextBytes = std::size_t{4} << 20;  // of one text

std::unexpected<Error> too_large() {
  return fail(ErrorKind::too_large, "the values take more than a request may use");
}

bool is_whole(DType dtype) {
  return is_number(dtype) && !is_float(dtype) && dtype != DType::boolean;
}

// --- labels ---

Result<std::unique_ptr<Step>> make_labels(StepPlan& plan) {
  std::string text;
  plan.options.file("file", text, kMaxLabelBytes);
  if (!plan.options.has("file")) plan.options.refuse("file", "is missing");
  if (Status done = plan.options.finish(); !done) return pass(done);
  ValueType type = *plan.inputs[0].type;
  if (!is_whole(type.dtype)) return plan.options.wrong("inputs: 'indices' must be whole numbers");
  type.dtype = DType::bytes;
  const auto run = [labels = read_labels(text)](std::span<const Value> in,
                                                const StepContext& context) -> Result<Values> {
    std::string bytes;
    for (std::int64_t i = 0; i < in[0].shape.num_elements(); ++i) {
      append_string(bytes, label_of(labels, integer_at(in[0], i)));
      if (static_cast<std::int64_t>(bytes.size()) > context.max_bytes) return too_large();
    }
    return Values{value_of(DType::bytes, in[0].shape, std::move(bytes))};
  };
  return make_step({{"labels", type}}, run);
}

// --- tokenise ---

struct TokeniseOptions {
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::int64_t max_length = 512;
  std::int64_t pad_id = 0;
  bool add_special_tokens = true;
  bool to_max_length = false;
  DType dtype = DType::i64;
};

Result<Values> tokenise(const Value& texts, const TokeniseOptions& options,
                        const StepContext& context) {
  std::vector<std::vector<text::TokenId>> rows;
  std::size_t longest = options.to_max_length ? static_cast<std::size_t>(options.max_length) : 1;
  std::int64_t bytes = 0;
  for (const auto text : strings_of(texts)) {
    if (context.stop.stop_requested())
      return fail(ErrorKind::cancelled, "the request was cancelled");
    if (text.size() > kMaxTextBytes) {
      return fail(ErrorKind::too_large,
                  fmt::format("a text has {} bytes; at most {}", text.size(), kMaxTextBytes));
    }
    auto ids = options.tokenizer->encode(
        {reinterpret_cast<const char*>(text.data()), text.size()},
        {.add_special_tokens = options.add_special_tokens, .parse_special_tokens = false});
    if (ids.size() > static_cast<std::size_t>(options.max_length)) {
      const text::TokenId last = ids.back();
      const bool keep_last = options.add_special_tokens && options.tokenizer->is_special(last);
      ids.resize(static_cast<std::size_t>(options.max_length));
      if (keep_last) ids.back() = last;
    }
    bytes += static_cast<std::int64_t>(ids.size() * sizeof(text::TokenId));
    if (bytes > context.max_bytes) return too_large();
    longest = std::max(longest, ids.size());
    rows.push_back(std::move(ids));
  }
  const Shape shape{static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(longest)};
  Values out;
  for (int i = 0; i < 3; ++i) {  // ids, mask, types: the last all zero
    auto made = new_value(options.dtype, shape, context.max_bytes / 3);
    if (!made) return pass(made);
    for (std::size_t row = 0; i < 2 && row < rows.size(); ++row) {
      for (std::size_t k = 0; k < longest; ++k) {
        const bool there = k < rows[row].size();
        const auto id = there ? rows[row][k] : options.pad_id;
        const auto number = static_cast<double>(i == 0 ? id : there ? 1 : 0);
        store_number(options.dtype, made->bytes, static_cast<std::int64_t>(row * longest + k),
                     number);
      }
    }
    out.push_back(std::move(made->value));
  }
  return out;
}

Result<std::unique_ptr<Step>> make_tokenise(StepPlan& plan) {
  TokeniseOptions options;
  std::string file, dtype = "INT64", pad = "longest";
  plan.options.file("tokenizer", file, kMaxTokenizerBytes);
  plan.options.integer("max_length", options.max_length, 1, 1 << 20);
  plan.options.integer("pad_id", options.pad_id, 0, std::numeric_limits<text::TokenId>::max());
  plan.options.flag("add_special_tokens", options.add_special_tokens);
  plan.options.choice("pad", pad, {"longest", "max_length"});
  plan.options.choice("dtype", dtype, {"INT64", "INT32"});
  if (!plan.options.has("tokenizer")) plan.options.refuse("tokenizer", "is missing");
  if (Status done = plan.options.finish(); !done) return pass(done);
  const ValueType& texts = *plan.inputs[0].type;
  if (texts.dtype != DType::bytes) return plan.options.wrong("inputs: 'text' must be BYTES");
  auto tokenizer = text::tokenizer_from_json(file);
  if (!tokenizer) return plan.options.wrong("tokenizer: " + tokenizer.error().message);
  options.tokenizer = *std::move(tokenizer);
  options.to_max_length = pad == "max_length";
  options.dtype = dtype == "INT32" ? DType::i32 : DType::i64;
  const std::int64_t rows = texts.any_rank || texts.shape.rank() != 1 ? -1 : texts.shape[0];
  const ValueType type{.dtype = options.dtype,
                       .shape = Shape{rows, options.to_max_length ? options.max_length : -1},
                       .any_rank = false};
  const auto run = [options](std::span<const Value> in, const StepContext& context) {
    return tokenise(in[0], options, context);
  };
  return make_step({{"ids", type}, {"mask", type}, {"types", type}}, run);
}

// --- map_json ---

// Valid UTF-8 whatever is in it.
void append_json_text(std::string& out, std::span<const std::byte> bytes) {
  const std::string_view raw(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  out += json::serialize(json::string_view(text::replace_invalid_utf8(raw)));
}

// Writes the elements of one value, nested as its shape says.
class ElementWriter {
 public:
  ElementWriter(std::string& out, const Value& value) : out_(out), value_(value) {
    if (value.dtype == DType::bytes) strings_ = strings_of(value);
  }
  void all() { write(0, 0); }
  void row(std::int64_t i) { write(1, i * row_elements(value_.shape)); }

 private:
  void write(int axis, std::int64_t first) {
    if (axis >= value_.shape.rank()) return write_element(first);
    std::int64_t each = 1;
    for (int i = axis + 1; i < value_.shape.rank(); ++i) each *= value_.shape[i];
    out_ += '[';
    for (std::int64_t i = 0; i < value_.shape[axis]; ++i) {
      if (i > 0) out_ += ',';
      write(axis + 1, first + i * each);
    }
    out_ += ']';
  }
  void write_element(std::int64_t i) {
    if (value_.dtype == DType::bytes) {
      return append_json_text(out_, strings_.at(static_cast<std::size_t>(i)));
    }
    if (value_.dtype == DType::boolean) {
      out_ += integer_at(value_, i) != 0 ? "true" : "false";
    } else if (value_.dtype == DType::u64) {
      out_ += fmt::format("{}", element<std::uint64_t>(value_, i));
    } else if (!is_float(value_.dtype)) {
      out_ += fmt::format("{}", integer_at(value_, i));
    } else {
      const double number = number_at(value_, i);
      if (!std::isfinite(number)) {
        out_ += "null";
      } else if (value_.dtype == DType::f64) {
        out_ += fmt::format("{}", number);
      } else {
        out_ += fmt::format("{}", static_cast<float>(number));
      }
    }
  }

  std::string& out_;
  const Value& value_;
  std::vector<std::span<const std::byte>> strings_;
};

Result<Values> map_json(std::span<const Value> in, const std::vector<std::string>& keys,
                        bool each_row, const StepContext& context) {
  // Digits of a number, quotes and escapes of a byte: no element becomes longer than this.
  constexpr std::int64_t kWidest = 32;
  std::int64_t bound = 0;
  for (const Value& value : in) {
    std::int64_t brackets = 1;  // a shape may have many rows of nothing
    for (const std::int64_t dim : value.shape.dims()) {
      if (dim > context.max_bytes / kWidest / std::max<std::int64_t>(1, brackets)) {
        return too_large();
      }
      brackets *= std::max<std::int64_t>(1, dim);
    }
    bound += brackets * kWidest;
    bound += value.shape.num_elements() * kWidest;
    bound += static_cast<std::int64_t>(value.data.size()) * 6;
  }
  if (bound > context.max_bytes) return too_large();
  std::vector<std::string> names;
  for (const std::string& key : keys) names.push_back(json::serialize(json::string_view(key)));
  std::string out;
  std::vector<ElementWriter> writers;
  for (const Value& value : in) writers.emplace_back(out, value);
  const auto object = [&](auto write) {
    out += '{';
    for (std::size_t i = 0; i < writers.size(); ++i) {
      if (i > 0) out += ',';
      out += names[i] + ":";
      write(writers[i]);
    }
    out += '}';
  };
  if (!each_row) {
    object([](ElementWriter& writer) { writer.all(); });
  } else {
    const std::int64_t rows = num_rows(in[0]);
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (in[i].shape.rank() > 0 && num_rows(in[i]) == rows) continue;
      return invalid(fmt::format("'{}' has {} rows, but '{}' has {}", keys[i], num_rows(in[i]),
                                 keys[0], rows));
    }
    out += '[';
    for (std::int64_t row = 0; row < rows; ++row) {
      if (row > 0) out += ',';
      object([row](ElementWriter& writer) { writer.row(row); });
      if (static_cast<std::int64_t>(out.size()) > context.max_bytes) return too_large();
    }
    out += ']';
  }
  std::string bytes;
  append_string(bytes, out);
  return Values{value_of(DType::bytes, Shape{1}, std::move(bytes))};
}

Result<std::unique_ptr<Step>> make_map_json(StepPlan& plan) {
  bool each_row = false;
  plan.options.flag("each_row", each_row);
  if (Status done = plan.options.finish(); !done) return pass(done);
  std::vector<std::string> keys;
  for (const StepInput& input : plan.inputs) {
    if (std::ranges::find(keys, input.name) != keys.end()) {
      return plan.options.wrong(fmt::format(
          "inputs: '{}' twice; name them: inputs = {{ key = \"step.output\" }}", input.name));
    }
    keys.push_back(input.name);
  }
  const ValueType type{.dtype = DType::bytes, .shape = Shape{1}, .any_rank = false};
  const auto run = [keys, each_row](std::span<const Value> in, const StepContext& context) {
    return map_json(in, keys, each_row, context);
  };
  return make_step({{"json", type}}, run);
}

}  // namespace

std::vector<std::string> read_labels(std::string_view text) {
  std::vector<std::string> labels;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    labels.emplace_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return labels;
}

std::string label_of(const std::vector<std::string>& labels, std::int64_t index) {
  const bool known = index >= 0 && static_cast<std::size_t>(index) < labels.size();
  return known ? labels[static_cast<std::size_t>(index)] : fmt::format("{}", index);
}

std::span<const StepKind> text_steps() {
  static const std::vector<StepKind> kinds = {
      {.name = "labels", .inputs = {{"indices"}}, .make = make_labels},
      {.name = "tokenise", .inputs = {{"text"}}, .make = make_tokenise},
      {.name = "map_json", .inputs = {}, .any_inputs = true, .make = make_map_json}};
  return kinds;
}

}  // namespace millrace::serving
