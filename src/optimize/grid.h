// The values that a row of one of our own kinds can have: codes, and the scale and minimum of each
// group. i8 is one group a row, without a minimum.
#pragma once

#include <cstdint>
#include <vector>

#include "models/quantise.h"
#include "tensor/dtype.h"

namespace millrace::optimize {

class GridRows {
 public:
  GridRows(DType kind, int n, int k);

  DType kind() const { return kind_; }
  int n() const { return n_; }
  int k() const { return k_; }
  int group() const { return group_; }
  bool has_minima() const { return kind_ != DType::i8; }

  models::Affine& pair(int row, int column) { return pairs_[index_of(row, column)]; }
  const models::Affine& pair(int row, int column) const { return pairs_[index_of(row, column)]; }
  std::int8_t* codes(int row) { return codes_.data() + offset(row); }
  const std::int8_t* codes(int row) const { return codes_.data() + offset(row); }

  // Chooses the row's scales and minima for `weights` [k] by their importance [k], and rounds to
  // them.
  void fit_row(int row, const float* weights, const float* importance);
  int nearest(const models::Affine& pair, float x) const;
  static float value(const models::Affine& pair, int code) {
    return pair.d * static_cast<float>(code) + pair.m;
  }
  void values(int row, float* out) const;  // [k]
  // The row in the kind's own format; of i8 its scale.
  float put_row(int row, std::byte* out) const;

 private:
  std::size_t offset(int row) const {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(k_);
  }
  std::size_t index_of(int row, int column) const {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(k_ / group_) +
           static_cast<std::size_t>(column / group_);
  }

  DType kind_;
  int n_, k_, group_;
  std::vector<std::int8_t> codes_;     // [n, k]
  std::vector<models::Affine> pairs_;  // [n, k / group]
};

}  // namespace millrace::optimize
