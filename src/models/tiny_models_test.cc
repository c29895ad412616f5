#include "models/tiny_models.h"

#include <gtest/gtest.h>

namespace millrace::models {

TEST(TinyModels, HashIsTheOneOfTheGoldenScript) {
  // hashed("gpt2_tied/x", 3) in tools/goldens/model_goldens.py
  const std::vector<double> values = hashed_values("gpt2_tied/x", 3);
  EXPECT_EQ(values[0], 0.5108156204223633);
  EXPECT_EQ(values[1], 0.8804244995117188);
  EXPECT_EQ(values[2], 0.08037567138671875);
}

}  // namespace millrace::models
