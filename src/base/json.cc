#include "base/json.h"

#include <boost/json/basic_parser_impl.hpp>

#include <cmath>
#include <unordered_set>
#include <vector>

namespace millrace {
namespace {

using boost::json::error_code;
using boost::json::string_view;

// Builds the value as boost's own handler does, and refuses what JsonLimits and RFC 8259 §4 ("names
// within an object SHOULD be unique") rule out. Called back by boost::json::basic_parser.
class StrictHandler {
 public:
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);

  StrictHandler(const JsonLimits& limits, const json::storage_ptr& memory)
      : limits_(limits), memory_(memory), root_(memory) {
    stack_.reserve(16);
  }

  const char* reason() const { return reason_; }
  json::value take() { return std::move(root_); }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }

  bool on_object_begin(error_code& ec) { return add(json::object(memory_), ec) && open(ec); }
  bool on_object_end(std::size_t, error_code&) { return close(); }
  bool on_array_begin(error_code& ec) { return add(json::array(memory_), ec) && open(ec); }
  bool on_array_end(std::size_t, error_code&) { return close(); }

  bool on_key_part(string_view part, std::size_t, error_code&) { return append(key_, part); }
  bool on_key(string_view part, std::size_t, error_code& ec) {
    append(key_, part);
    auto& object = stack_.back()->as_object();
    if (object.contains(key_)) return refuse("duplicate key", ec);
    if (object.size() >= limits_.max_keys_per_object) return refuse("too many keys", ec);
    return true;
  }
  bool on_string_part(string_view part, std::size_t, error_code&) { return append(text_, part); }
  bool on_string(string_view part, std::size_t, error_code& ec) {
    if (text_.empty()) return add(json::string(part, memory_), ec);  // it came in one piece
    append(text_, part);
    json::value value = json::string(text_, memory_);
    text_.clear();
    return add(std::move(value), ec);
  }
  bool on_number_part(string_view, error_code&) { return true; }
  bool on_int64(std::int64_t number, string_view, error_code& ec) {
    return add(json::value(number, memory_), ec);
  }
  bool on_uint64(std::uint64_t number, string_view, error_code& ec) {
    return add(json::value(number, memory_), ec);
  }
  bool on_double(double number, string_view, error_code& ec) {
    if (!std::isfinite(number)) return refuse("number out of range", ec);
    return add(json::value(number, memory_), ec);
  }
  bool on_bool(bool value, error_code& ec) { return add(json::value(value, memory_), ec); }
  bool on_null(error_code& ec) { return add(json::value(nullptr, memory_), ec); }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

 private:
  static bool append(std::string& to, string_view part) {
    to.append(part.data(), part.size());
    return true;
  }
  bool refuse(const char* reason, error_code& ec) {
    reason_ = reason;
    ec = boost::json::error::syntax;
    return false;
  }
  // Containers never move while something inside them is open, so pointers into them stay valid.
  bool add(json::value value, error_code& ec) {
    if (++num_values_ > limits_.max_values) return refuse("too many values", ec);
    if (stack_.empty()) {
      root_ = std::move(value);
      last_ = &root_;
    } else if (auto* array = stack_.back()->if_array()) {
      last_ = &array->emplace_back(std::move(value));
    } else {
      last_ = &stack_.back()->as_object().emplace(key_, std::move(value)).first->value();
      key_.clear();
    }
    return true;
  }
  bool open(error_code&) {
    stack_.push_back(last_);
    return true;
  }
  bool close() {
    stack_.pop_back();
    return true;
  }

  const JsonLimits& limits_;
  const json::storage_ptr memory_;
  json::value root_;
  std::vector<json::value*> stack_;
  json::value* last_ = nullptr;
  std::string key_, text_;
  std::size_t num_values_ = 0;
  const char* reason_ = nullptr;
};

}  // namespace

Result<json::value> parse_json(std::string_view text, const JsonLimits& limits,
                               const json::storage_ptr& memory) {
  if (text.size() > limits.max_bytes) {
    return fail(ErrorKind::too_large,
                "The JSON text is " + std::to_string(text.size()) + " bytes; at most " +
                    std::to_string(limits.max_bytes) + " are accepted.",
                {}, "body_too_large");
  }
  boost::json::parse_options options;
  options.max_depth = limits.max_depth;
  try {
    boost::json::basic_parser<StrictHandler> parser(options, limits, memory);
    error_code ec;
    const std::size_t used = parser.write_some(false, text.data(), text.size(), ec);
    if (!ec && used < text.size() &&
        text.find_first_not_of(" \t\r\n", used) != std::string_view::npos) {
      return invalid(
          "Invalid JSON: unexpected text after the value at byte " + std::to_string(used) + ".", {},
          "invalid_json");
    }
    if (ec == boost::json::error::too_deep) {
      return invalid(
          "Invalid JSON: nested deeper than " + std::to_string(limits.max_depth) + " levels.", {},
          "json_too_deep");
    }
    if (ec) {
      const char* reason = parser.handler().reason();
      return invalid("Invalid JSON near byte " + std::to_string(used) + ": " +
                         (reason ? std::string(reason) : ec.message()) + ".",
                     {}, "invalid_json");
    }
    return parser.handler().take();
  } catch (const std::exception&) {
    return invalid("Invalid JSON: it is too large to be held in memory.", {}, "invalid_json");
  }
}

std::string dump_json(const json::value& value) {
  return boost::json::serialize(value);
}

}  // namespace millrace
