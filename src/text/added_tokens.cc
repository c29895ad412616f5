#include "text/added_tokens.h"

#include <algorithm>
#include <cstring>

#include "text/unicode.h"

namespace millrace::text {
namespace {

unsigned class_of_char_before(std::string_view text, std::size_t at, std::size_t& begin) {
  begin = at - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  const char* p = text.data() + begin;
  return CharClasses::get()[next_char(p)];
}
unsigned class_of_char_at(std::string_view text, std::size_t at, std::size_t& end) {
  const char* p = text.data() + at;
  const unsigned char_class = CharClasses::get()[next_char(p)];
  end = static_cast<std::size_t>(p - text.data());
  return char_class;
}

bool is_alone(std::string_view text, std::size_t begin, std::size_t end) {
  constexpr unsigned kWord = kLetter | kNumber | kMark;
  std::size_t unused;
  const bool touches_left =
      begin > 0 && (text[begin - 1] == '_' || (class_of_char_before(text, begin, unused) & kWord));
  const bool touches_right =
      end < text.size() && (text[end] == '_' || (class_of_char_at(text, end, unused) & kWord));
  return !touches_left && !touches_right;
}

}  // namespace

Result<AddedTokens> AddedTokens::build(std::vector<AddedToken> tokens) {
  AddedTokens out;
  if (tokens.size() > kMaxTokens) return fail(ErrorKind::too_large, "more than 65536 added tokens");
  std::size_t all_bytes = 0;
  out.nodes_.emplace_back();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string& content = tokens[i].content;
    const auto where = [&] { return " (token " + std::to_string(tokens[i].id) + ")"; };
    if (content.empty()) return invalid("an added token is empty" + where());
    if (content.size() > kMaxTokenBytes) {
      return fail(ErrorKind::too_large, "an added token has more than 4096 bytes" + where());
    }
    if (!is_valid_utf8(content)) return invalid("an added token is not valid UTF-8" + where());
    all_bytes += content.size();
    if (all_bytes > kMaxAllBytes) {
      return fail(ErrorKind::too_large, "the added tokens have more than 4 MiB");
    }
    std::int32_t node = 0;
    for (const char c : content) {
      const std::uint64_t edge =
          static_cast<std::uint64_t>(node) << 8 | static_cast<unsigned char>(c);
      const auto [at, is_new] =
          out.edges_.try_emplace(edge, static_cast<std::int32_t>(out.nodes_.size()));
      if (is_new) {
        const std::int32_t depth = out.nodes_[static_cast<std::size_t>(node)].depth + 1;
        out.nodes_.push_back({.depth = depth});
        if (node == 0) {
          out.first_[static_cast<unsigned char>(c)] = at->second;
          out.only_first_ = static_cast<unsigned char>(c);
          ++out.num_first_;
        }
      }
      node = at->second;
    }
    out.nodes_[static_cast<std::size_t>(node)].token = static_cast<std::int32_t>(i);
  }
  out.tokens_ = std::move(tokens);
  out.link_suffixes();
  return out;
}

// Breadth first, so that a node's shorter suffixes are linked before it.
void AddedTokens::link_suffixes() {
  struct Edge {
    std::int32_t parent;
    unsigned char byte;
    std::int32_t node;
  };
  std::vector<Edge> order;
  order.reserve(edges_.size());
  for (const auto& [edge, node] : edges_) {
    order.push_back({static_cast<std::int32_t>(edge >> 8), static_cast<unsigned char>(edge), node});
  }
  const auto depth = [&](const Edge& e) { return nodes_[static_cast<std::size_t>(e.node)].depth; };
  std::ranges::stable_sort(order, {}, depth);
  for (const Edge& edge : order) {
    Node& node = nodes_[static_cast<std::size_t>(edge.node)];
    if (edge.parent != 0) {
      const Node& parent = nodes_[static_cast<std::size_t>(edge.parent)];
      node.suffix = step(parent.suffix, edge.byte);
    }
    node.ending =
        node.token >= 0 ? node.token : nodes_[static_cast<std::size_t>(node.suffix)].ending;
  }
}

std::int32_t AddedTokens::child(std::int32_t node, unsigned char byte) const {
  if (node == 0) return first_[byte];
  const auto found = edges_.find(static_cast<std::uint64_t>(node) << 8 | byte);
  return found == edges_.end() ? 0 : found->second;
}

std::int32_t AddedTokens::step(std::int32_t node, unsigned char byte) const {
  while (true) {
    if (const std::int32_t next = child(node, byte)) return next;
    if (node == 0) return 0;
    node = nodes_[static_cast<std::size_t>(node)].suffix;
  }
}

std::optional<AddedTokens::Raw> AddedTokens::find_raw(std::string_view text,
                                                      std::size_t from) const {
  std::optional<Raw> best;
  std::int32_t node = 0;
  for (std::size_t at = from; at < text.size(); ++at) {
    if (node == 0 && first_[static_cast<unsigned char>(text[at])] == 0) {
      if (best) return best;
      if (num_first_ != 1) continue;
      const void* next = std::memchr(text.data() + at, only_first_, text.size() - at);
      if (next == nullptr) return best;
      at = static_cast<std::size_t>(static_cast<const char*>(next) - text.data());
    }
    node = step(node, static_cast<unsigned char>(text[at]));
    const Node& here = nodes_[static_cast<std::size_t>(node)];
    const std::size_t end = at + 1;
    if (best && end - static_cast<std::size_t>(here.depth) > best->begin) return best;
    if (here.ending < 0) continue;
    const AddedToken& token = tokens_[static_cast<std::size_t>(here.ending)];
    const std::size_t begin = end - token.content.size();
    if (!best || begin <= best->begin) best = {begin, end, &token};
  }
  return best;
}

std::optional<AddedTokens::Match> AddedTokens::find(std::string_view text, std::size_t from,
                                                    bool parse_special) const {
  std::size_t at = from;
  while (const auto raw = find_raw(text, at)) {
    at = raw->end;
    const AddedToken& token = *raw->token;
    if (token.special && !parse_special) continue;
    if (token.single_word && !is_alone(text, raw->begin, raw->end)) continue;
    Match match{raw->begin, raw->end, token.id};
    std::size_t edge;
    while (token.lstrip && match.begin > from &&
           (class_of_char_before(text, match.begin, edge) & kSpace)) {
      match.begin = edge;
    }
    while (token.rstrip && match.end < text.size() &&
           (class_of_char_at(text, match.end, edge) & kSpace)) {
      match.end = edge;
    }
    return match;
  }
  return std::nullopt;
}

}  // namespace millrace::text
