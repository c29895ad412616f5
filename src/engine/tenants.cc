#include "engine/tenants.h"

#include "base/check.h"

namespace millrace::engine {

TenantId Tenants::acquire(std::string_view name) {
  const auto [entry, inserted] = by_name_.try_emplace(std::string(name), -1);
  if (inserted) {
    if (unused_.empty()) {
      unused_.push_back(static_cast<TenantId>(tenants_.size()));
      tenants_.emplace_back();
    }
    entry->second = unused_.back();
    unused_.pop_back();
    at(entry->second) = {.served = 0, .num_live = 0, .num_running = 0, .name = entry->first};
  }
  Tenant& tenant = at(entry->second);
  if (tenant.num_live++ == 0) {
    tenant.served = std::max(tenant.served, virtual_time_);
    ++num_active_;
  }
  return entry->second;
}

void Tenants::release(TenantId id) {
  Tenant& tenant = at(id);
  MILLRACE_CHECK(tenant.num_live > 0);
  if (--tenant.num_live > 0) return;
  --num_active_;
  if (by_name_.size() <= kMaxRemembered) return;
  by_name_.erase(tenant.name);
  tenant = {};
  unused_.push_back(id);
}

}  // namespace millrace::engine
