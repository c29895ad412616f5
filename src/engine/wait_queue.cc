#include "engine/wait_queue.h"

#include "base/check.h"

namespace millrace::engine {

namespace {

// What was put back goes first of its tenant, but not before other tenants.
bool may_be_urgent(const WaitKey& key) {
  return key.latest_start > kPutBack;
}

}  // namespace

void WaitQueue::push(int priority, const WaitKey& key) {
  Class& waiting = classes_[priority];
  if (may_be_urgent(key)) waiting.by_slack.insert(key);
  ++waiting.size;
  Waiting& tenant = waiting.by_tenant[key.tenant];
  tenant.keys.insert(key);
  if (!tenant.has_turn) {
    tenant.has_turn = true;
    waiting.turns.push({tenants_.served(key.tenant), key.tenant});
  }
  ++size_;
}

void WaitQueue::erase(int priority, const WaitKey& key) {
  const auto found = classes_.find(priority);
  MILLRACE_CHECK(found != classes_.end());
  found->second.by_slack.erase(key);
  MILLRACE_CHECK(found->second.by_tenant[key.tenant].keys.erase(key) == 1);
  --size_;
  if (--found->second.size == 0) classes_.erase(found);
}

TenantId WaitQueue::least_served(Class& waiting) const {
  for (;;) {
    const Turn turn = waiting.turns.top();
    const auto tenant = waiting.by_tenant.find(turn.tenant);
    const double served = tenants_.served(turn.tenant);
    if (tenant->second.keys.empty()) {
      waiting.turns.pop();
      waiting.by_tenant.erase(tenant);
    } else if (served > turn.served) {
      waiting.turns.pop();
      waiting.turns.push({served, turn.tenant});
    } else {
      return turn.tenant;
    }
  }
}

const WaitKey* WaitQueue::front(double urgent_before) {
  if (classes_.empty()) return nullptr;
  Class& waiting = classes_.begin()->second;
  const TenantId turn = least_served(waiting);
  if (!waiting.by_slack.empty()) {
    const WaitKey& tightest = *waiting.by_slack.begin();
    if (tightest.latest_start <= urgent_before &&
        tenants_.served(tightest.tenant) <= tenants_.served(turn) + fairness_slack_tokens_)
      return &tightest;
  }
  return &*waiting.by_tenant.find(turn)->second.keys.begin();
}

int WaitQueue::num_first_in_line(TenantId tenant) const {
  if (classes_.empty()) return 0;
  const auto& by_tenant = classes_.begin()->second.by_tenant;
  const auto found = by_tenant.find(tenant);
  return found == by_tenant.end() ? 0 : static_cast<int>(found->second.keys.size());
}

const WaitKey* WaitQueue::back() const {
  if (classes_.empty()) return nullptr;
  const Waiting* most = nullptr;
  for (const auto& [tenant, waiting] : classes_.rbegin()->second.by_tenant)
    if (most == nullptr || waiting.keys.size() > most->keys.size()) most = &waiting;
  return &*most->keys.rbegin();
}

}  // namespace millrace::engine
