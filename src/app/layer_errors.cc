#include "app/layer_errors.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "base/check.h"

namespace millrace::app {

void LayerTrace::observe(models::ActivationPoint point, int layer, std::span<const float> values) {
  if (point == models::ActivationPoint::embedding) {
    outputs_.clear();
  } else if (point != models::ActivationPoint::block) {
    return;
  }
  MILLRACE_CHECK(outputs_.size() == static_cast<std::size_t>(layer + 1));
  outputs_.emplace_back(values.begin(), values.end());
}

void LayerErrors::add(const LayerTrace& exact, const LayerTrace& rounded) {
  const auto &p = exact.outputs(), &q = rounded.outputs();
  MILLRACE_CHECK(p.size() == q.size());
  sums_.resize(p.size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    MILLRACE_CHECK(p[i].size() == q[i].size());
    for (std::size_t j = 0; j < p[i].size(); ++j) {
      const double difference = static_cast<double>(q[i][j]) - p[i][j];
      sums_[i].difference += difference * difference;
      sums_[i].size += static_cast<double>(p[i][j]) * p[i][j];
    }
  }
}

std::vector<double> LayerErrors::relative() const {
  std::vector<double> out;
  for (const Sums& s : sums_) out.push_back(s.size > 0 ? std::sqrt(s.difference / s.size) : 0.0);
  return out;
}

// Format: numpy/lib/format.py, version 1.0: the header is padded so that the data begin at a
// multiple of 64.
std::string npy_of(const LayerTrace& trace, std::size_t hidden) {
  static_assert(std::endian::native == std::endian::little);
  const auto& outputs = trace.outputs();
  const std::size_t rows = outputs.empty() ? 0 : outputs.front().size() / hidden;
  std::string header =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}, {}), }}",
                  outputs.size(), rows, hidden);
  constexpr std::size_t kBefore = 10;  // magic, version, the header's length
  header.append((64 - (kBefore + header.size() + 1) % 64) % 64, ' ').push_back('\n');
  std::string file = "\x93NUMPY";
  file += {'\x01', '\x00', static_cast<char>(header.size() & 0xff),
           static_cast<char>(header.size() >> 8)};
  file += header;
  for (const std::vector<float>& values : outputs) {
    file.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }
  return file;
}

}  // namespace millrace::app
