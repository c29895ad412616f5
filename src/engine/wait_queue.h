// WaitQueue: who starts next. Lower priority value first; inside one, a sequence that will miss its
// due time unless it starts now, as long as its tenant is not far ahead of its share; otherwise the
// tenant served least, and of that tenant the least slack. O(log n) to change, O(1) amortised to
// look. Pure. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <queue>
#include <set>
#include <unordered_map>
#include <vector>

#include "engine/step_plan.h"
#include "engine/tenants.h"

namespace millrace::engine {

// Slack in a form that does not change with time: when the sequence must start to make its due
// time.
struct WaitKey {
  double latest_start = 0;
  std::int64_t arrival_order = 0;
  SeqId sequence = -1;
  TenantId tenant = 0;
  auto operator<=>(const WaitKey&) const = default;
};

// The latest start of a sequence that was preempted.
inline constexpr double kPutBack = -std::numeric_limits<double>::infinity();

class WaitQueue {
 public:
  // A tenant whose counter exceeds the lowest waiting one by more than the slack cannot jump ahead.
  WaitQueue(const Tenants& tenants, double fairness_slack_tokens)
      : tenants_(tenants), fairness_slack_tokens_(fairness_slack_tokens) {}

  void push(int priority, const WaitKey& key);
  void erase(int priority, const WaitKey& key);
  // The key that should start next, null when none waits. Latest starts up to `urgent_before` are
  // urgent. Valid until the next change.
  const WaitKey* front(double urgent_before);
  // The one to give up when the queue is too long: lowest priority, of the tenant with most
  // waiting, the most slack. O(tenants).
  const WaitKey* back() const;

  // How many wait in the class that goes first.
  int num_first_in_line() const { return classes_.empty() ? 0 : classes_.begin()->second.size; }
  int num_first_in_line(TenantId tenant) const;
  int size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  struct Turn {  // lazily ordered: `served` may be out of date, but counters only grow
    double served;
    TenantId tenant;
    bool operator>(const Turn& other) const { return served > other.served; }
  };
  struct Waiting {
    std::set<WaitKey> keys;
    bool has_turn = false;
  };
  struct Class {
    std::set<WaitKey> by_slack;  // without those put back
    std::unordered_map<TenantId, Waiting> by_tenant;
    std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns;
    int size = 0;
  };
  TenantId least_served(Class& waiting) const;

  const Tenants& tenants_;
  const double fairness_slack_tokens_;
  std::map<int, Class> classes_;  // by priority; none is empty
  int size_ = 0;
};

}  // namespace millrace::engine
