// MappedWeights: the one WeightFile, filled by the readers of each format.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/buffer.h"
#include "weights/guarded_file.h"
#include "weights/weight_file.h"

namespace millrace::weights {

class MappedWeights final : public WeightFile {
 public:
  // Takes the file over; its bytes stay where they are.
  void add_file(GuardedFile file);
  // False where the name is taken. A tensor that is not aligned to its element is copied: kernels
  // may load whole elements.
  bool add_tensor(std::string name, TensorView view);
  std::map<std::string, MetaValue, std::less<>>& mutable_metadata() { return metadata_; }

  const TensorView* find(std::string_view name) const override;
  std::vector<std::string> names() const override;
  const std::map<std::string, MetaValue, std::less<>>& metadata() const override {
    return metadata_;
  }
  void release(const TensorView& tensor) const override;
  Status still_intact() const override;
  std::uint64_t num_bytes() const override;

 private:
  std::vector<GuardedFile> files_;
  std::vector<Buffer> copies_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::map<std::string, MetaValue, std::less<>> metadata_;
};

}  // namespace millrace::weights
