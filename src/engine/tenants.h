// Tenants: token-weighted fairness. Each tenant's virtual counter grows with the tokens computed
// for it; who has the lowest goes first. A tenant that comes back after idling starts at the
// virtual time, the counter of the one served last, so idling earns no credit (start-time fair
// queueing, and VTC: Sheng et al., Fairness in Serving Large Language Models, OSDI 2024). Not
// thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace millrace::engine {

using TenantId = std::int32_t;

class Tenants {
 public:
  // Counted: the tenant lives while a request of it does.
  TenantId acquire(std::string_view name);
  void release(TenantId tenant);

  void charge(TenantId tenant, double tokens) { at(tenant).served += tokens; }
  double served(TenantId tenant) const { return at(tenant).served; }
  // The tenant was chosen: virtual time is at least its counter from now on.
  void chosen(TenantId tenant) { virtual_time_ = std::max(virtual_time_, served(tenant)); }
  void count_running(TenantId tenant, int by) { at(tenant).num_running += by; }
  int num_running(TenantId tenant) const { return at(tenant).num_running; }
  int num_active() const { return num_active_; }  // with any live request

 private:
  struct Tenant {
    double served = 0;
    int num_live = 0;
    int num_running = 0;
    std::string name;
  };
  // Counters of idle tenants are kept until there are this many.
  static constexpr std::size_t kMaxRemembered = 4096;
  Tenant& at(TenantId tenant) { return tenants_[static_cast<std::size_t>(tenant)]; }
  const Tenant& at(TenantId tenant) const { return tenants_[static_cast<std::size_t>(tenant)]; }

  double virtual_time_ = 0;
  int num_active_ = 0;
  std::vector<Tenant> tenants_;
  std::vector<TenantId> unused_;
  std::unordered_map<std::string, TenantId> by_name_;
};

}  // namespace millrace::engine
