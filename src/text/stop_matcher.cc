#include "text/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace millrace::text {

// Knuth, Morris and Pratt's automaton for each string.
StopMatcher::StopMatcher(std::vector<std::string> stops, bool include_stop)
    : include_stop_(include_stop) {
  for (std::size_t index = 0; index < stops.size(); ++index) {
    std::string& text = stops[index];
    if (text.empty()) continue;
    std::vector<std::size_t> borders(text.size() + 1, 0);
    for (std::size_t i = 1, border = 0; i < text.size(); ++i) {
      while (border > 0 && text[i] != text[border]) border = borders[border];
      if (text[i] == text[border]) ++border;
      borders[i + 1] = border;
    }
    stops_.push_back({std::move(text), index, std::move(borders)});
  }
}

void StopMatcher::advance(Stop& stop, char byte) {
  std::size_t& matched = stop.num_matched;
  while (matched > 0 && stop.text[matched] != byte) matched = stop.borders[matched];
  if (stop.text[matched] == byte) ++matched;
}

StopMatcher::Step StopMatcher::push(std::string_view piece) {
  if (over_) return {};
  if (stops_.empty()) return {std::string(piece), std::nullopt};
  for (std::size_t i = 0; i < piece.size(); ++i) {
    const Stop* found = nullptr;
    for (Stop& stop : stops_) {
      advance(stop, piece[i]);
      const bool complete = stop.num_matched == stop.text.size();
      if (complete && (!found || stop.text.size() > found->text.size())) found = &stop;
    }
    if (!found) continue;
    over_ = true;
    held_ += piece.substr(0, i + 1);
    if (!include_stop_) held_.resize(held_.size() - found->text.size());
    return {std::exchange(held_, {}), found->index};
  }
  std::size_t num_held = 0;
  for (const Stop& stop : stops_) num_held = std::max(num_held, stop.num_matched);
  held_ += piece;
  std::string rest = held_.substr(held_.size() - num_held);
  held_.resize(held_.size() - num_held);
  return {std::exchange(held_, std::move(rest)), std::nullopt};
}

std::string StopMatcher::finish() {
  return std::exchange(held_, {});
}

}  // namespace millrace::text
