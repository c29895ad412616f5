#include "app/layer_errors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace millrace::app {
namespace {

using models::ActivationPoint;

LayerTrace trace_of(float embedding, float layer) {
  LayerTrace trace;
  const std::vector<float> first(6, embedding), second(6, layer);
  trace.observe(ActivationPoint::embedding, -1, first);
  trace.observe(ActivationPoint::q, 0, first);  // not an output
  trace.observe(ActivationPoint::block, 0, second);
  return trace;
}

TEST(LayerTrace, keeps_the_last_pass) {
  LayerTrace trace = trace_of(1, 2);
  const std::vector<float> again(3, 5);
  trace.observe(ActivationPoint::embedding, -1, again);
  ASSERT_EQ(trace.outputs().size(), 1u);
  EXPECT_EQ(trace.outputs()[0], again);
}

TEST(LayerErrors, are_relative_to_the_exact_output) {
  LayerErrors errors;
  errors.add(trace_of(1, 2), trace_of(1, 2.5f));
  errors.add(trace_of(1, 2), trace_of(1, 2));
  const std::vector<double> relative = errors.relative();
  ASSERT_EQ(relative.size(), 2u);
  EXPECT_EQ(relative[0], 0);
  EXPECT_NEAR(relative[1], 0.25 / std::sqrt(2.0), 1e-12);
}

TEST(Npy, has_an_aligned_header_and_the_values) {
  const std::string file = npy_of(trace_of(1, 2), 3);
  EXPECT_EQ(file.substr(1, 5), "NUMPY");
  EXPECT_NE(file.find("'shape': (2, 2, 3)"), std::string::npos);
  const std::size_t data = file.find('\n') + 1;
  EXPECT_EQ(data % 64, 0u);
  ASSERT_EQ(file.size() - data, 12 * sizeof(float));
  float last = 0;
  std::memcpy(&last, file.data() + file.size() - sizeof last, sizeof last);
  EXPECT_EQ(last, 2);
}

}  // namespace
}  // namespace millrace::app
