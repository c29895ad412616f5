#include "engine/wait_queue.h"

#include <gtest/gtest.h>

namespace millrace::engine {
namespace {

struct Queue {
  Tenants tenants;
  WaitQueue queue{tenants, 100};
  TenantId a = tenants.acquire("a"), b = tenants.acquire("b");
  std::int64_t arrivals = 0;
  WaitKey push(TenantId tenant, double latest_start, int priority = 0) {
    const WaitKey key{latest_start, arrivals, static_cast<SeqId>(arrivals), tenant};
    ++arrivals;
    queue.push(priority, key);
    return key;
  }
  SeqId front(double urgent_before = 0) {
    const WaitKey* key = queue.front(urgent_before);
    return key == nullptr ? -1 : key->sequence;
  }
};

TEST(WaitQueue, PriorityThenLeastServedTenantThenSlack) {
  Queue q;
  const WaitKey late = q.push(q.a, 50), soon = q.push(q.a, 20), other = q.push(q.b, 90);
  const WaitKey low = q.push(q.b, 1, 3);
  q.tenants.charge(q.b, 10);
  EXPECT_EQ(q.front(), soon.sequence);
  q.tenants.charge(q.a, 20);
  EXPECT_EQ(q.front(), other.sequence);
  q.queue.erase(0, other);
  EXPECT_EQ(q.front(), soon.sequence);
  q.queue.erase(0, soon);
  EXPECT_EQ(q.front(), late.sequence);
  q.queue.erase(0, late);
  EXPECT_EQ(q.front(), low.sequence);
  q.queue.erase(3, low);
  EXPECT_EQ(q.front(), -1);
  EXPECT_TRUE(q.queue.empty());
}

TEST(WaitQueue, UrgencyPassesFairnessOnlyWithinTheAllowance) {
  Queue q;
  const WaitKey urgent = q.push(q.a, 5), fair = q.push(q.b, 90);
  q.tenants.charge(q.a, 80);
  EXPECT_EQ(q.front(6), urgent.sequence);
  EXPECT_EQ(q.front(4), fair.sequence);
  q.tenants.charge(q.a, 80);
  EXPECT_EQ(q.front(6), fair.sequence);
}

TEST(WaitQueue, BackIsOfTheLowestPriorityAndTheLongestTenant) {
  Queue q;
  q.push(q.b, 10);
  q.push(q.a, 10);
  const WaitKey last = q.push(q.a, 99);
  EXPECT_EQ(q.queue.back()->sequence, last.sequence);
  const WaitKey low = q.push(q.b, 1, 7);
  EXPECT_EQ(q.queue.back()->sequence, low.sequence);
}

TEST(Tenants, IdlingEarnsNoCredit) {
  Tenants tenants;
  const TenantId busy = tenants.acquire("busy"), idle = tenants.acquire("idle");
  tenants.release(idle);
  tenants.charge(busy, 1000);
  tenants.chosen(busy);
  EXPECT_EQ(tenants.served(tenants.acquire("idle")), 1000);
}

}  // namespace
}  // namespace millrace::engine
