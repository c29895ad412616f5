#include "net/multipart.h"

#include <algorithm>
#include <utility>

#include "net/field_syntax.h"
#include "net/http_types.h"

namespace millrace::net {
namespace {

constexpr std::size_t kMaxBoundaryBytes = 70;  // RFC 2046, 5.1.1
constexpr std::size_t kMaxNameBytes = 256;

std::unexpected<Error> wrong(const std::string& what) {
  return invalid("The multipart body is wrong: " + what + ".", {}, "invalid_multipart");
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

bool take(std::string_view& text, char wanted) {
  skip_blanks(text);
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

std::string_view take_token(std::string_view& text) {
  skip_blanks(text);
  std::size_t size = 0;
  while (size < text.size() && is_token(text.substr(size, 1))) ++size;
  const std::string_view token = text.substr(0, size);
  text.remove_prefix(size);
  return token;
}

// A token or a quoted string; empty where it is neither.
std::optional<std::string> take_value(std::string_view& text) {
  if (!take(text, '"')) {
    const std::string_view token = take_token(text);
    if (token.empty()) return std::nullopt;
    return std::string(token);
  }
  std::string value;
  while (!text.empty() && text.front() != '"') {
    if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);
    value += text.front();
    text.remove_prefix(1);
  }
  if (!take(text, '"')) return std::nullopt;
  return value;
}

using Parameters = std::vector<std::pair<std::string, std::string>>;

// "; name=value" until the end. Empty where that is not its form.
std::optional<Parameters> read_parameters(std::string_view text) {
  Parameters read;
  while (take(text, ';')) {
    skip_blanks(text);
    if (text.empty()) break;  // a last semicolon
    const std::string_view name = take_token(text);
    if (name.empty() || !take(text, '=')) return std::nullopt;
    auto value = take_value(text);
    if (!value) return std::nullopt;
    read.emplace_back(name, *std::move(value));
  }
  skip_blanks(text);
  if (!text.empty()) return std::nullopt;
  return read;
}

// Null where it is absent; twice is a mistake that the caller looks for.
const std::string* find(const Parameters& parameters, std::string_view name) {
  const auto found = std::ranges::find_if(
      parameters, [&](const auto& p) { return equal_ignoring_case(p.first, name); });
  return found == parameters.end() ? nullptr : &found->second;
}

bool is_boundary(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
  };
  return !text.empty() && text.size() <= kMaxBoundaryBytes && text.back() != ' ' &&
         std::ranges::all_of(text, allowed);
}

Status read_disposition(std::string_view value, FormPart& part) {
  if (!equal_ignoring_case(take_token(value), "form-data")) {
    return wrong("a part is not form-data");
  }
  const auto parameters = read_parameters(value);
  if (!parameters) return wrong("a Content-Disposition cannot be read");
  const std::string* name = find(*parameters, "name");
  if (!name || name->empty()) return wrong("a part has no name");
  if (name->size() > kMaxNameBytes) return wrong("the name of a part is too long");
  const auto same_name = [](const auto& p) { return equal_ignoring_case(p.first, "name"); };
  if (std::ranges::count_if(*parameters, same_name) != 1) return wrong("a part has two names");
  part.name = *name;
  if (const std::string* file_name = find(*parameters, "filename")) part.file_name = *file_name;
  return {};
}

Status read_field(const FieldLine& field, FormPart& part) {
  if (equal_ignoring_case(field.name, "content-disposition")) {
    if (!part.name.empty()) return wrong("a part has two names");
    return read_disposition(field.value, part);
  }
  if (equal_ignoring_case(field.name, "content-type")) part.content_type = field.value;
  if (equal_ignoring_case(field.name, "content-transfer-encoding") &&
      !equal_ignoring_case(field.value, "binary") && !equal_ignoring_case(field.value, "8bit") &&
      !equal_ignoring_case(field.value, "7bit")) {
    return wrong("a part is encoded; send it as it is");
  }
  return {};
}

// Takes the head of a part off `rest`.
Result<FormPart> read_head(std::string_view& rest, const MultipartLimits& limits) {
  FormPart part;
  const std::size_t before = rest.size();
  for (;;) {
    const auto end = rest.substr(0, limits.max_head_bytes).find("\r\n");
    if (end == std::string_view::npos || before - rest.size() + end > limits.max_head_bytes) {
      return wrong("the head of a part does not end");
    }
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (line.empty()) break;
    const auto field = split_field_line(line);
    if (!field || !is_field_value(field->raw_value)) return wrong("a part has a broken field");
    if (Status ok = read_field(*field, part); !ok) return std::unexpected(ok.error());
  }
  if (part.name.empty()) return wrong("a part has no name");
  return part;
}

}  // namespace

std::optional<std::string> form_boundary(std::string_view content_type) {
  const auto type_end = std::min(content_type.find(';'), content_type.size());
  std::string_view type = content_type.substr(0, type_end);
  skip_blanks(type);
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  if (!equal_ignoring_case(type, "multipart/form-data")) return std::nullopt;
  const auto parameters = read_parameters(content_type.substr(type_end));
  if (!parameters) return std::nullopt;
  const std::string* boundary = find(*parameters, "boundary");
  if (!boundary || !is_boundary(*boundary)) return std::nullopt;
  return *boundary;
}

Result<std::vector<FormPart>> parse_multipart(std::string_view body, std::string_view boundary,
                                              const MultipartLimits& limits) {
  const std::string delimiter = "\r\n--" + std::string(boundary);
  // The first delimiter has no line before it.
  if (!body.starts_with(std::string_view(delimiter).substr(2))) {
    return wrong("it does not begin with its boundary");
  }
  std::string_view rest = body.substr(delimiter.size() - 2);
  std::vector<FormPart> parts;
  for (;;) {
    if (rest.starts_with("--")) return parts;  // what follows the last delimiter means nothing
    skip_blanks(rest);
    if (!rest.starts_with("\r\n")) return wrong("something follows a boundary");
    rest.remove_prefix(2);
    if (parts.size() == limits.max_parts) {
      return wrong("it has more than " + std::to_string(limits.max_parts) + " parts");
    }
    auto part = read_head(rest, limits);
    if (!part) return pass(part);
    // An empty body's delimiter begins with the line break that ended the head.
    const std::string_view from_break(rest.data() - 2, rest.size() + 2);
    const auto end = from_break.find(delimiter);
    if (end == std::string_view::npos) return wrong("its last boundary is missing");
    part->body = end < 2 ? std::string_view() : from_break.substr(2, end - 2);
    parts.push_back(*std::move(part));
    rest = from_break.substr(end + delimiter.size());
  }
}

}  // namespace millrace::net
