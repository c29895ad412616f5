#include "serving/admission.h"

#include "base/check.h"

namespace millrace::serving {
namespace {

std::unexpected<Error> busy(ErrorKind kind, std::string message, std::string code) {
  Error error{.kind = kind, .message = std::move(message), .code = std::move(code)};
  error.retry_after_ms = 1000;
  return std::unexpected(std::move(error));
}

}  // namespace

Result<Admission::Permit> Admission::admit(const std::string& tenant) {
  std::lock_guard lock(mutex_);
  if (closed_) return busy(ErrorKind::unavailable, "The server is shutting down.", "shutting_down");
  if (num_requests_ >= limits_.max_requests) {
    return busy(ErrorKind::unavailable, "The server is at its limit of concurrent requests.",
                "overloaded");
  }
  if (!tenant.empty()) {
    int& count = per_tenant_[tenant];
    if (limits_.max_requests_per_tenant > 0 && count >= limits_.max_requests_per_tenant) {
      return busy(ErrorKind::rate_limited, "Too many concurrent requests of this tenant.",
                  "tenant_limit");
    }
    ++count;
  }
  ++num_requests_;
  return Permit(this, tenant);
}

void Admission::leave(const std::string& tenant) {
  std::lock_guard lock(mutex_);
  --num_requests_;
  MILLRACE_CHECK(num_requests_ >= 0);
  if (num_requests_ == 0) empty_.notify_all();
  if (tenant.empty()) return;
  const auto entry = per_tenant_.find(tenant);
  MILLRACE_CHECK(entry != per_tenant_.end());
  if (--entry->second == 0) per_tenant_.erase(entry);
}

void Admission::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
}

bool Admission::closed() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

int Admission::num_requests() const {
  std::lock_guard lock(mutex_);
  return num_requests_;
}

bool Admission::wait_until_empty(std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  return empty_.wait_for(lock, timeout, [&] { return num_requests_ == 0; });
}

}  // namespace millrace::serving
