// Router: method and path pattern to handler. Patterns are literal but for {name}, which matches
// the non-empty rest of one segment ("/v1/models/{model}:predict" may bind it between literals),
// and a last segment {name*}, which matches the non-empty rest of the path. The more literal
// pattern wins. Deny by default: what is not here is 404, a known path with another method is 405
// with Allow; no aliases (a trailing '/' or another case is another path). A GET route answers
// HEAD. Immutable once serving, then thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/http_types.h"

namespace millrace::net {

struct Route {
  std::string method;
  std::string pattern;
  Handler handler;
  std::size_t max_body_bytes = std::size_t{8} << 20;
  // Only for handlers of a few microseconds that never wait: they skip the worker pool, so they
  // also answer when every worker is busy (health, version).
  bool on_io_thread = false;
  // The same for single requests: true where the handler will be as quick as that.
  // Called on the io thread; may be empty.
  std::function<bool(const HttpRequest&)> is_instant{};
};

struct RouteMatch {
  const Route* route = nullptr;  // null: see status
  int status = 404;              // 404 or 405
  std::string allow;             // for 405
  PathParams params;
};

class Router {
 public:
  // A pattern that does not begin with '/', has an unbalanced brace or more than 16 segments is our
  // bug (CHECK), as is the same method and pattern twice.
  void add(Route route);
  // `path` as it came, still percent-encoded: an escaped '/' is data within a segment.
  RouteMatch match(std::string_view method, std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Segment {
    std::string prefix, name, suffix;  // no name: prefix is the literal segment
    bool rest = false;
  };
  struct Pattern {
    std::vector<Segment> segments;
    std::vector<std::size_t> routes;  // one a method
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  // Those of a path, as many as a pattern may have.
  struct Segments;
  void sort_by_size();
  static Segment parse_segment(std::string_view text);
  static bool more_literal(const Pattern& a, const Pattern& b);
  static bool matches(const Pattern& pattern, const Segments& segments, PathParams& params);
  const Route* find_method(const std::vector<std::size_t>& routes, std::string_view method) const;

  std::vector<Route> routes_;
  std::unordered_map<std::string, std::vector<std::size_t>, TextHash, std::equal_to<>> literal_;
  std::vector<Pattern> patterns_;  // the more literal first
  // By a path's number of segments (the last: more than any pattern has): indices of those that can
  // match it, in their order.
  std::vector<std::vector<std::size_t>> of_size_;
};

}  // namespace millrace::net
