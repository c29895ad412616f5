#include "loadgen/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace millrace::loadgen {
namespace {

std::unexpected<Error> bad_url(std::string_view url, std::string_view why) {
  return invalid(fmt::format("\"{}\": {}; expected http://host:port", url, why), "URL");
}

bool plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '"'; });
}

}  // namespace

std::string Target::host_header() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string Target::url() const {
  return "http://" + host_header() + prefix;
}

Result<Target> parse_target(std::string_view url) {
  std::string_view rest = url;
  if (const std::size_t scheme = rest.find("://"); scheme != std::string_view::npos) {
    if (rest.substr(0, scheme) == "https")
      return bad_url(url, "TLS is not spoken here, put the load on the plain port");
    if (rest.substr(0, scheme) != "http") return bad_url(url, "unknown scheme");
    rest.remove_prefix(scheme + 3);
  }
  if (!plain(rest) || rest.find_first_of("?#@") != std::string_view::npos)
    return bad_url(url, "not a plain server address");
  Target target;
  const std::size_t slash = rest.find('/');
  std::string_view path = slash == std::string_view::npos ? "" : rest.substr(slash);
  std::string_view authority = rest.substr(0, slash);
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return bad_url(url, "the ']' is missing");
    target.host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
  } else {
    const std::size_t colon = authority.find(':');
    target.host = authority.substr(0, colon);
    port = colon == std::string_view::npos ? "" : authority.substr(colon);
  }
  if (target.host.empty()) return bad_url(url, "no host");
  if (!port.empty()) {
    const char* end = port.data() + port.size();
    const auto [stop, error] = std::from_chars(port.data() + 1, end, target.port);
    if (port.front() != ':' || error != std::errc() || stop != end || target.port == 0)
      return bad_url(url, "not a port");
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.ends_with("/v1")) path.remove_suffix(3);
  while (path.ends_with('/')) path.remove_suffix(1);
  target.prefix = path;
  return target;
}

}  // namespace millrace::loadgen
