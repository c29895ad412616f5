// Router: method and path pattern to handler. Patterns are literal but for {name}, which matches
// one segment, and a trailing {name*}, which matches the rest. Deny by default: what is not here is
// 404, a known path with another method is 405 with Allow. Immutable once serving.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/http_types.h"

namespace millrace::net {

struct Route {
  std::string method;
  std::string pattern;
  Handler handler;
  std::size_t max_body_bytes = std::size_t{8} << 20;
};

struct RouteMatch {
  const Route* route = nullptr;  // null: see status
  int status = 404;              // 404 or 405
  std::string allow;             // for 405
  std::map<std::string, std::string, std::less<>> params;
};

class Router {
 public:
  void add(Route route);
  RouteMatch match(std::string_view method, std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace millrace::net
