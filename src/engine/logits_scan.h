// Passes over one row of logits, [vocab] floats: written as fixed-length inner loops so that the
// compiler vectorises them at any flags. Ties go to the lower index everywhere.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "servable/requests.h"

namespace millrace::engine {

struct Candidate {
  float logit = 0;
  TokenId token = 0;
};
// More likely first.
inline bool likelier(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

TokenId find_argmax(std::span<const float> logits);
// All finite logits of at least `floor`, in index order, appended to `out`.
void gather_at_least(std::span<const float> logits, float floor, std::vector<Candidate>& out);
// The k most likely finite ones, unordered. No sort of the row: a threshold rises as it is scanned.
void gather_top(std::span<const float> logits, int k, std::vector<Candidate>& out);
// How many are likelier than `token`.
int rank_of(std::span<const float> logits, TokenId token);

// exp((logit - max) / temperature), summed in runs of kRun logits: run_sums gets one entry each.
inline constexpr int kRun = 256;
double sum_weights(std::span<const float> logits, float max, float inverse_temperature,
                   std::vector<double>& run_sums);
// e^x for x <= 0, relative error below 3e-7; 0 below -87.
float fast_exp(float x);

}  // namespace millrace::engine
