#include "net/http_types.h"

#include <algorithm>

namespace millrace::net {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

bool equal_folded(std::string_view a, std::string_view b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

Headers::const_iterator Headers::find(std::string_view name) const {
  return std::find_if(begin(), end(),
                      [&](const Field& field) { return equal_ignoring_case(field.first, name); });
}

std::string& Headers::operator[](std::string_view name) {
  for (Field& field : fields_) {
    if (equal_ignoring_case(field.first, name)) return field.second;
  }
  return fields_.emplace_back(name, std::string()).second;
}

void Headers::add(std::string name, std::string value) {
  fields_.emplace_back(std::move(name), std::move(value));
}

void Headers::join(std::string_view name, std::string_view value) {
  for (Field& field : fields_) {
    if (!equal_ignoring_case(field.first, name)) continue;
    field.second.append(", ").append(value);
    return;
  }
  fields_.emplace_back(name, value);
}

PathParams::const_iterator PathParams::find(std::string_view name) const {
  return std::ranges::find(params_, name, &Param::first);
}

std::string_view PathParams::operator[](std::string_view name) const {
  const auto found = find(name);
  return found == end() ? std::string_view() : std::string_view(found->second);
}

std::string_view HttpRequest::header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace millrace::net
