#include <algorithm>
#include <string_view>

#include "serving/pipeline/box_steps.h"
#include "serving/pipeline/image_steps.h"
#include "serving/pipeline/number_steps.h"
#include "serving/pipeline/shape_steps.h"
#include "serving/pipeline/step.h"
#include "serving/pipeline/text_steps.h"

namespace millrace::serving {
namespace {

std::vector<StepKind> all_kinds() {
  std::vector<StepKind> all;
  for (const auto kinds :
       {number_steps(), shape_steps(), text_steps(), image_steps(), box_steps()}) {
    all.insert(all.end(), kinds.begin(), kinds.end());
  }
  std::ranges::sort(all, {}, [](const StepKind& kind) { return std::string_view(kind.name); });
  return all;
}

}  // namespace

std::span<const StepKind> step_kinds() {
  static const std::vector<StepKind> kinds = all_kinds();
  return kinds;
}

const StepKind* find_step_kind(std::string_view name) {
  for (const StepKind& kind : step_kinds()) {
    if (name == kind.name) return &kind;
  }
  return nullptr;
}

}  // namespace millrace::serving
