// TensorView: non-owning, row-major, contiguous. Shapes are outermost first: [rows, columns].
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace millrace {

inline constexpr int kMaxRank = 8;

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims);
  explicit Shape(std::span<const std::int64_t> dims);  // at most kMaxRank

  int rank() const { return rank_; }
  std::int64_t operator[](int i) const { return dims_[static_cast<std::size_t>(i)]; }
  std::int64_t num_elements() const;  // 1 for rank 0
  std::span<const std::int64_t> dims() const {
    return {dims_.data(), static_cast<std::size_t>(rank_)};
  }
  bool operator==(const Shape&) const = default;

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

struct TensorView {
  const void* data = nullptr;
  DType dtype = DType::f32;
  Shape shape;
  std::size_t num_bytes() const;  // whole blocks of the innermost dimension
};

}  // namespace millrace
