// PrefixCache: which block holds the KV of which tokens after which prefix. A tree: a node is one
// full block, its parent the block before it, its root a scope (tenant and salt). Lookups compare
// parent and tokens themselves; the keyed hash (SipHash-2-4, https://www.aumasson.jp/siphash/) only
// finds the bucket. So no collision, found or crafted, can give one prompt another's KV, and
// without the engine's random key nobody can crowd a bucket. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/step_plan.h"

namespace millrace::engine {

using HashKey = std::array<std::uint64_t, 2>;
// Names a node or a scope's root for ever: never reused, so a child of an evicted parent is simply
// not found again.
using NodeId = std::uint64_t;
using ScopeId = std::int32_t;

class PrefixCache {
 public:
  PrefixCache(int num_blocks, int block_tokens, HashKey key);

  // Scopes are counted: one lives while a sequence or a cached first block uses it.
  ScopeId acquire_scope(std::string_view tenant, std::string_view salt);
  void release_scope(ScopeId scope);
  NodeId root(ScopeId scope) const { return scopes_[static_cast<std::size_t>(scope)].root; }

  // The block that holds exactly `tokens` (one block's worth) after `parent`; -1 when none does.
  BlockId find(NodeId parent, std::span<const TokenId> tokens) const;
  NodeId node(BlockId block) const { return nodes_[static_cast<std::size_t>(block)].id; }

  // Makes `block` findable. Its contents must not change until erase(). The caller has made sure
  // that find() has no answer yet.
  void insert(ScopeId scope, NodeId parent, std::span<const TokenId> tokens, BlockId block);
  void erase(BlockId block);  // its descendants stay, unreachable, until they are evicted

  int num_scopes() const { return static_cast<int>(scope_by_name_.size()); }

 private:
  struct Node {
    NodeId id = 0, parent = 0;
    std::uint64_t hash = 0;
    BlockId next = -1;   // in the bucket
    ScopeId scope = -1;  // first blocks only: they keep their scope alive
  };
  struct Scope {
    NodeId root = 0;
    int num_users = 0;
    std::string name;
  };
  std::uint64_t hash(NodeId parent, std::span<const TokenId> tokens) const;
  std::size_t bucket(std::uint64_t hash) const { return hash & (buckets_.size() - 1); }
  std::span<const TokenId> tokens_of(BlockId block) const;

  const std::size_t block_tokens_;
  const HashKey key_;
  NodeId next_id_ = 1;
  std::vector<Node> nodes_;       // by block
  std::vector<TokenId> tokens_;   // [blocks, block_tokens]
  std::vector<BlockId> buckets_;  // heads
  std::vector<Scope> scopes_;
  std::vector<ScopeId> unused_scopes_;
  std::unordered_map<std::string, ScopeId> scope_by_name_;
};

// SipHash-2-4 of whole 64-bit words.
std::uint64_t siphash(HashKey key, std::span<const std::uint64_t> words);

}  // namespace millrace::engine
