// Admission: the first door. Counts requests in flight for the whole server and for each tenant,
// and refuses what is over; engines keep their own queues behind it. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/result.h"

namespace millrace::serving {

struct AdmissionLimits {
  int max_requests = 1024;          // in flight, whole server
  int max_requests_per_tenant = 0;  // 0: no limit; the anonymous tenant ("") never has one
};

class Admission {
 public:
  explicit Admission(AdmissionLimits limits) : limits_(limits) {}
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  // One admitted request: gives its place back when destroyed. The Admission outlives it.
  class Permit {
   public:
    Permit() = default;
    Permit(Permit&& other) noexcept
        : from_(std::exchange(other.from_, nullptr)), tenant_(std::move(other.tenant_)) {}
    Permit& operator=(Permit&& other) noexcept {
      std::swap(from_, other.from_);
      std::swap(tenant_, other.tenant_);
      return *this;
    }
    ~Permit() {
      if (from_) from_->leave(tenant_);
    }

   private:
    friend class Admission;
    Permit(Admission* from, std::string tenant) : from_(from), tenant_(std::move(tenant)) {}
    Admission* from_ = nullptr;
    std::string tenant_;
  };

  // unavailable ("overloaded") when the server is full, rate_limited ("tenant_limit") when the
  // tenant is, unavailable ("shutting_down") after close().
  Result<Permit> admit(const std::string& tenant);
  void close();
  bool closed() const;
  int num_requests() const;
  // False when requests are still in flight after that long.
  bool wait_until_empty(std::chrono::milliseconds timeout) const;

 private:
  void leave(const std::string& tenant);

  const AdmissionLimits limits_;
  mutable std::mutex mutex_;
  mutable std::condition_variable empty_;
  int num_requests_ = 0;
  std::map<std::string, int> per_tenant_;  // named tenants with requests in flight
  bool closed_ = false;
};

}  // namespace millrace::serving
