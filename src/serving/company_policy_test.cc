#include "serving/company_policy.h"

#include <gtest/gtest.h>

namespace millrace::serving {
namespace {

using std::chrono::microseconds;

void beside(CompanyPolicy& policy, microseconds took, int times = 8) {
  for (int i = 0; i < times; ++i) policy.on_beside(2, took);
}

void merged(CompanyPolicy& policy, std::int64_t rows, microseconds took, int times = 2) {
  for (int i = 0; i < times; ++i) policy.on_merged(rows, took);
}

TEST(CompanyPolicy, TriesSideBySideFirstThenMerging) {
  CompanyPolicy policy;
  EXPECT_FALSE(policy.merges(2));
  beside(policy, microseconds(4000));
  EXPECT_TRUE(policy.merges(2)) << "nothing is known of it";
  EXPECT_GT(policy.most_rows(), 1) << "but not with all that waits";
}

TEST(CompanyPolicy, AConvolutionalNetworkRunsSideBySide) {
  CompanyPolicy policy;
  beside(policy, microseconds(4000));  // 2 ms a row
  merged(policy, 4, microseconds(8000));
  EXPECT_FALSE(policy.merges(4));
  EXPECT_FALSE(policy.merges(64));
}

TEST(CompanyPolicy, WideLayersAreMerged) {
  CompanyPolicy policy;
  beside(policy, microseconds(6000));
  merged(policy, 8, microseconds(4000));
  EXPECT_TRUE(policy.merges(8));
  EXPECT_TRUE(policy.merges(64));
  EXPECT_EQ(policy.most_rows(), 0);
}

TEST(CompanyPolicy, ASizeThatDoesNotGainIsNotMerged) {
  CompanyPolicy policy;
  beside(policy, microseconds(4000));
  merged(policy, 2, microseconds(4400));
  merged(policy, 32, microseconds(16000));
  EXPECT_FALSE(policy.merges(3));
  EXPECT_TRUE(policy.merges(40));
}

TEST(CompanyPolicy, TheOtherWayIsTriedAgain) {
  CompanyPolicy policy;
  beside(policy, microseconds(4000));
  merged(policy, 8, microseconds(16000));
  beside(policy, microseconds(4000), 200);
  EXPECT_TRUE(policy.merges(8)) << "after 64, where they are near";
  policy.on_merged(8, microseconds(2000));
  policy.on_merged(8, microseconds(2000));
  for (int i = 0; i < 2000 && policy.merges(8); ++i) policy.on_merged(8, microseconds(2000));
  EXPECT_FALSE(policy.merges(8));
}

TEST(CompanyPolicy, TheFirstSlowTimesDoNotCount) {
  CompanyPolicy policy;
  policy.on_beside(2, microseconds(400000));  // made its memory
  beside(policy, microseconds(4000), 3);
  policy.on_merged(8, microseconds(800000));  // so did this one
  EXPECT_TRUE(policy.merges(8));
  policy.on_merged(8, microseconds(20000));  // 2.5 ms a row
  EXPECT_FALSE(policy.merges(8));
}

TEST(CompanyPolicy, OneLongTimeDoesNotChangeTheWay) {
  CompanyPolicy policy;
  beside(policy, microseconds(6000));  // 3 ms a row
  merged(policy, 8, microseconds(8000), 4);
  policy.on_merged(8, microseconds(400000));  // the machine was elsewhere
  EXPECT_TRUE(policy.merges(8));
}

TEST(CompanyPolicy, ASizeThatWasSeenOnceKeepsNobodyTrying) {
  CompanyPolicy policy;
  beside(policy, microseconds(4000));  // 2 ms a row
  policy.on_merged(32, microseconds(80000));
  merged(policy, 8, microseconds(24000));
  EXPECT_FALSE(policy.merges(40));
}

TEST(CompanyPolicy, WhatWasSlowForATimeIsTakenUpAgainAtTheFirstShortTime) {
  CompanyPolicy policy;
  beside(policy, microseconds(6000));
  merged(policy, 8, microseconds(80000), 20);
  EXPECT_FALSE(policy.merges(8));
  beside(policy, microseconds(6000), 1024);
  EXPECT_TRUE(policy.merges(8)) << "to look again";
  policy.on_merged(8, microseconds(8000));
  EXPECT_TRUE(policy.merges(8));
}

}  // namespace
}  // namespace millrace::serving
