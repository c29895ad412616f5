#include "net/router.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/check.h"
#include "net/request_target.h"

namespace millrace::net {

struct Router::Segments {
  static constexpr std::size_t kMost = 16;

  explicit Segments(std::string_view path) : path_end(path.data() + path.size()) {
    std::size_t begin = 1;
    while (true) {
      const std::size_t slash = path.find('/', begin);
      if (num < kMost) parts[num] = path.substr(begin, slash - begin);
      ++num;
      if (slash == std::string_view::npos) return;
      begin = slash + 1;
    }
  }

  std::array<std::string_view, kMost> parts;
  std::size_t num = 0;  // of all; only kMost are in `parts`
  const char* path_end;
};

Router::Segment Router::parse_segment(std::string_view text) {
  Segment segment;
  const std::size_t open = text.find('{');
  if (open == std::string_view::npos) {
    MILLRACE_CHECK(text.find('}') == std::string_view::npos);
    segment.prefix = text;
    return segment;
  }
  const std::size_t close = text.find('}', open);
  MILLRACE_CHECK(close != std::string_view::npos && close > open + 1);
  segment.prefix = text.substr(0, open);
  segment.name = text.substr(open + 1, close - open - 1);
  segment.suffix = text.substr(close + 1);
  if (segment.name.ends_with('*')) {
    segment.rest = true;
    segment.name.pop_back();
  }
  return segment;
}

void Router::add(Route route) {
  MILLRACE_CHECK(route.pattern.starts_with('/') && route.handler);
  const std::size_t index = routes_.size();
  std::vector<std::size_t>* same_path = nullptr;
  if (route.pattern.find('{') == std::string::npos) {
    same_path = &literal_[route.pattern];
  } else {
    Pattern pattern;
    const Segments segments(route.pattern);
    MILLRACE_CHECK(segments.num <= Segments::kMost);
    for (std::size_t i = 0; i < segments.num; ++i) {
      MILLRACE_CHECK(pattern.segments.empty() || !pattern.segments.back().rest);
      pattern.segments.push_back(parse_segment(segments.parts[i]));
    }
    const auto known = std::find_if(patterns_.begin(), patterns_.end(), [&](const Pattern& other) {
      return routes_[other.routes.front()].pattern == route.pattern;
    });
    if (known == patterns_.end()) {
      const auto place =
          std::upper_bound(patterns_.begin(), patterns_.end(), pattern, &Router::more_literal);
      same_path = &patterns_.insert(place, std::move(pattern))->routes;
    } else {
      same_path = &known->routes;
    }
  }
  for (const std::size_t other : *same_path) {
    MILLRACE_CHECK(routes_[other].method != route.method);
  }
  same_path->push_back(index);
  routes_.push_back(std::move(route));
  sort_by_size();
}

void Router::sort_by_size() {
  of_size_.assign(Segments::kMost + 2, {});
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    const std::size_t count = patterns_[i].segments.size();
    const bool rest = patterns_[i].segments.back().rest;
    for (std::size_t n = count; n < (rest ? of_size_.size() : count + 1); ++n) {
      of_size_[n].push_back(i);
    }
  }
}

// Segment by segment from the left: literal, then bound between literals, then {name}, then
// {name*}.
bool Router::more_literal(const Pattern& a, const Pattern& b) {
  const auto rank = [](const Segment& s) {
    if (s.rest) return 3;
    if (s.name.empty()) return 0;
    return s.prefix.empty() && s.suffix.empty() ? 2 : 1;
  };
  const std::size_t shared = std::min(a.segments.size(), b.segments.size());
  for (std::size_t i = 0; i < shared; ++i) {
    const Segment& x = a.segments[i];
    const Segment& y = b.segments[i];
    if (rank(x) != rank(y)) return rank(x) < rank(y);
    const std::size_t x_size = x.prefix.size() + x.suffix.size();
    const std::size_t y_size = y.prefix.size() + y.suffix.size();
    if (rank(x) == 1 && x_size != y_size) return x_size > y_size;
  }
  return a.segments.size() > b.segments.size();
}

// Of a pattern for so many segments. Literal text is compared as sent, so that "%61" is no second
// spelling of "a"; what is bound is decoded.
bool Router::matches(const Pattern& pattern, const Segments& segments, PathParams& params) {
  const std::size_t count = pattern.segments.size();
  for (std::size_t i = count; i-- > 0;) {  // the last ones tell more patterns apart
    const Segment& want = pattern.segments[i];
    if (want.name.empty() && segments.parts[i] != want.prefix) return false;
  }
  params.clear();
  for (std::size_t i = 0; i < count; ++i) {
    const Segment& want = pattern.segments[i];
    if (want.name.empty()) continue;
    std::string_view text = segments.parts[i];
    if (want.rest) text = std::string_view(text.data(), segments.path_end);
    if (text.size() <= want.prefix.size() + want.suffix.size() || !text.starts_with(want.prefix) ||
        !text.ends_with(want.suffix)) {
      return false;
    }
    text.remove_prefix(want.prefix.size());
    text.remove_suffix(want.suffix.size());
    auto bound = percent_decode(text);
    if (!bound) return false;
    params.add(want.name, std::move(*bound));
  }
  return true;
}

const Route* Router::find_method(const std::vector<std::size_t>& routes,
                                 std::string_view method) const {
  const Route* get = nullptr;
  for (const std::size_t index : routes) {
    if (routes_[index].method == method) return &routes_[index];
    if (routes_[index].method == "GET") get = &routes_[index];
  }
  return method == "HEAD" ? get : nullptr;
}

RouteMatch Router::match(std::string_view method, std::string_view path) const {
  RouteMatch result;
  if (!path.starts_with('/')) return result;
  std::set<std::string, std::less<>> allowed;
  const auto allow = [&](const std::vector<std::size_t>& routes) {
    for (const std::size_t index : routes) {
      allowed.insert(routes_[index].method);
      if (routes_[index].method == "GET") allowed.insert("HEAD");
    }
  };
  if (const auto found = literal_.find(path); found != literal_.end()) {
    result.route = find_method(found->second, method);
    if (result.route) return result;
    allow(found->second);
  }
  const Segments segments(path);
  if (of_size_.empty()) return result;
  for (const std::size_t i : of_size_[std::min(segments.num, of_size_.size() - 1)]) {
    const Pattern& pattern = patterns_[i];
    if (!matches(pattern, segments, result.params)) continue;
    result.route = find_method(pattern.routes, method);
    if (result.route) return result;
    allow(pattern.routes);
  }
  result.params.clear();
  for (const std::string& name : allowed) {
    result.status = 405;
    result.allow.append(result.allow.empty() ? "" : ", ").append(name);
  }
  return result;
}

}  // namespace millrace::net
