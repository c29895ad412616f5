#include "base/giving_way.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <optional>
#include <semaphore>

namespace millrace {
namespace {

bool gives_way() {
  return sched_getscheduler(0) == SCHED_IDLE;
}

// A thread that says whether it gives way when asked.
class Asked {
 public:
  bool answer() {
    ask_.release();
    answered_.acquire();
    return answer_;
  }
  ~Asked() {
    over_ = true;
    ask_.release();
  }

 private:
  bool answer_ = false;
  bool over_ = false;
  std::binary_semaphore ask_{0}, answered_{0};
  std::jthread thread_{[this] {
    for (ask_.acquire(); !over_; ask_.acquire()) {
      answer_ = gives_way();
      answered_.release();
    }
  }};
};

TEST(GivingWay, TheThreadAndThoseItStartsAndAfterwardsNone) {
  Asked before;
  ASSERT_FALSE(gives_way());
  std::optional<Asked> started;
  {
    const GivingWay giving_way(std::chrono::hours(1));
    EXPECT_EQ(gives_way(), GivingWay::is_possible());
    started.emplace();
    EXPECT_EQ(started->answer(), GivingWay::is_possible());
    EXPECT_FALSE(before.answer());
  }
  EXPECT_FALSE(gives_way());
  EXPECT_FALSE(started->answer());
  EXPECT_FALSE(before.answer());
}

TEST(GivingWay, TheThreadItselfBesideAnother) {
  Asked other;
  const GivingWay all(std::chrono::hours(1));
  std::optional<Asked> started(std::in_place);
  std::thread([] {
    sched_param none{};
    sched_setscheduler(0, SCHED_OTHER, &none);  // inherited otherwise
    {
      const GivingWay itself(std::chrono::hours(1), GivingWay::SetBack::itself);
      EXPECT_EQ(gives_way(), GivingWay::is_possible());
    }
    EXPECT_FALSE(gives_way());
  }).join();
  EXPECT_EQ(gives_way(), GivingWay::is_possible());
  EXPECT_EQ(started->answer(), GivingWay::is_possible());
  EXPECT_FALSE(other.answer());
}

TEST(GivingWay, ForSomeTimeOnly) {
  const GivingWay giving_way(std::chrono::milliseconds(1));
  Asked started;
  while (gives_way()) std::this_thread::yield();
  while (started.answer()) std::this_thread::yield();
}

}  // namespace
}  // namespace millrace
