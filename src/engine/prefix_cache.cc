#include "engine/prefix_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace millrace::engine {

namespace {

struct SipState {
  std::uint64_t a, b, c, d;
  explicit SipState(HashKey key)
      : a(key[0] ^ 0x736f6d6570736575u),
        b(key[1] ^ 0x646f72616e646f6du),
        c(key[0] ^ 0x6c7967656e657261u),
        d(key[1] ^ 0x7465646279746573u) {}
  void round() {
    a += b;
    b = std::rotl(b, 13) ^ a;
    a = std::rotl(a, 32);
    c += d;
    d = std::rotl(d, 16) ^ c;
    a += d;
    d = std::rotl(d, 21) ^ a;
    c += b;
    b = std::rotl(b, 17) ^ c;
    c = std::rotl(c, 32);
  }
  void word(std::uint64_t w) {
    d ^= w;
    round();
    round();
    a ^= w;
  }
  std::uint64_t finish(std::size_t num_bytes) {
    word(static_cast<std::uint64_t>(num_bytes & 0xff) << 56);
    c ^= 0xff;
    for (int i = 0; i < 4; ++i) round();
    return a ^ b ^ c ^ d;
  }
};

std::size_t num_buckets_for(int num_blocks) {
  return std::bit_ceil(static_cast<std::size_t>(std::max(num_blocks, 1)) * 2);
}

}  // namespace

std::uint64_t siphash(HashKey key, std::span<const std::uint64_t> words) {
  SipState state(key);
  for (const std::uint64_t w : words) state.word(w);
  return state.finish(words.size() * 8);
}

PrefixCache::PrefixCache(int num_blocks, int block_tokens, HashKey key)
    : block_tokens_(static_cast<std::size_t>(block_tokens)),
      key_(key),
      nodes_(static_cast<std::size_t>(num_blocks)),
      tokens_(nodes_.size() * block_tokens_),
      buckets_(num_buckets_for(num_blocks), -1) {}

std::uint64_t PrefixCache::hash(NodeId parent, std::span<const TokenId> tokens) const {
  SipState state(key_);
  state.word(parent);
  std::size_t i = 0;
  for (; i + 1 < tokens.size(); i += 2)
    state.word(static_cast<std::uint64_t>(static_cast<std::uint32_t>(tokens[i])) |
               static_cast<std::uint64_t>(static_cast<std::uint32_t>(tokens[i + 1])) << 32);
  if (i < tokens.size()) state.word(static_cast<std::uint32_t>(tokens[i]));
  return state.finish(8 + tokens.size() * 4);
}

std::span<const TokenId> PrefixCache::tokens_of(BlockId block) const {
  return std::span(tokens_).subspan(static_cast<std::size_t>(block) * block_tokens_, block_tokens_);
}

ScopeId PrefixCache::acquire_scope(std::string_view tenant, std::string_view salt) {
  std::string name = fmt::format("{}:{}{}", tenant.size(), tenant, salt);
  const auto [entry, inserted] = scope_by_name_.try_emplace(name, -1);
  if (inserted) {
    if (unused_scopes_.empty()) {
      unused_scopes_.push_back(static_cast<ScopeId>(scopes_.size()));
      scopes_.emplace_back();
    }
    entry->second = unused_scopes_.back();
    unused_scopes_.pop_back();
    scopes_[static_cast<std::size_t>(entry->second)] = {next_id_++, 0, std::move(name)};
  }
  ++scopes_[static_cast<std::size_t>(entry->second)].num_users;
  return entry->second;
}

void PrefixCache::release_scope(ScopeId scope) {
  Scope& used = scopes_[static_cast<std::size_t>(scope)];
  MILLRACE_CHECK(used.num_users > 0);
  if (--used.num_users > 0) return;
  scope_by_name_.erase(used.name);
  used = {};
  unused_scopes_.push_back(scope);
}

BlockId PrefixCache::find(NodeId parent, std::span<const TokenId> tokens) const {
  const std::uint64_t wanted = hash(parent, tokens);
  for (BlockId b = buckets_[bucket(wanted)]; b >= 0; b = nodes_[static_cast<std::size_t>(b)].next) {
    const Node& node = nodes_[static_cast<std::size_t>(b)];
    if (node.hash == wanted && node.parent == parent && std::ranges::equal(tokens_of(b), tokens))
      return b;
  }
  return -1;
}

void PrefixCache::insert(ScopeId scope, NodeId parent, std::span<const TokenId> tokens,
                         BlockId block) {
  Node& node = nodes_[static_cast<std::size_t>(block)];
  MILLRACE_CHECK(node.id == 0 && tokens.size() == block_tokens_);
  std::ranges::copy(tokens, tokens_.begin() + static_cast<std::ptrdiff_t>(
                                                  static_cast<std::size_t>(block) * block_tokens_));
  const bool first = parent == root(scope);
  if (first) ++scopes_[static_cast<std::size_t>(scope)].num_users;
  const std::uint64_t h = hash(parent, tokens);
  BlockId& head = buckets_[bucket(h)];
  node = {next_id_++, parent, h, head, first ? scope : -1};
  head = block;
}

void PrefixCache::erase(BlockId block) {
  Node& node = nodes_[static_cast<std::size_t>(block)];
  MILLRACE_CHECK(node.id != 0);
  BlockId* link = &buckets_[bucket(node.hash)];
  while (*link != block) link = &nodes_[static_cast<std::size_t>(*link)].next;
  *link = node.next;
  const ScopeId scope = node.scope;
  node = {};
  if (scope >= 0) release_scope(scope);
}

}  // namespace millrace::engine
