#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/random.h"

namespace millrace::engine {

namespace {

constexpr float kGreedyBelow = 1e-5f;  // temperatures that mean greedy
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

std::span<const float> view(std::span<float> logits) {
  return logits;
}

void overwrite(std::span<float> logits, TokenId token, float value,
               std::vector<Candidate>& overwritten) {
  float& logit = logits[static_cast<std::size_t>(token)];
  overwritten.push_back({logit, token});
  logit = value;
}

}  // namespace

void SamplerScratch::reserve(int vocab_size) {
  const auto size = static_cast<std::size_t>(vocab_size);
  candidates.reserve(size);
  weights.reserve(size);
}

Sampler::Sampler(std::span<const TokenId> prompt, const SamplingParams& sampling,
                 std::span<const TokenId> eos_tokens, std::uint64_t fallback_seed)
    : sampling_(sampling),
      allowed_tokens_(sampling.allowed_token_ids),
      seed_(sampling.seed.value_or(fallback_seed)) {
  std::ranges::sort(allowed_tokens_);
  const auto duplicates = std::ranges::unique(allowed_tokens_);
  allowed_tokens_.erase(duplicates.begin(), duplicates.end());
  if (sampling.min_tokens > 0) {
    stop_tokens_.assign(eos_tokens.begin(), eos_tokens.end());
    stop_tokens_.insert(stop_tokens_.end(), sampling.stop_token_ids.begin(),
                        sampling.stop_token_ids.end());
    // Were nothing else allowed, the mask would leave no token at all.
    const auto is_stop = [&](TokenId t) {
      return std::ranges::find(stop_tokens_, t) != stop_tokens_.end();
    };
    if (!allowed_tokens_.empty() && std::ranges::all_of(allowed_tokens_, is_stop))
      stop_tokens_.clear();
  }
  if (!has_penalties()) return;
  counts_.reserve(prompt.size() + static_cast<std::size_t>(sampling.max_tokens));
  for (const TokenId token : prompt) counts_.push_back({token, 0});
  std::ranges::sort(counts_, {}, &TokenCount::token);
  const auto repeats = std::ranges::unique(counts_, {}, &TokenCount::token);
  counts_.erase(repeats.begin(), repeats.end());
}

bool Sampler::has_penalties() const {
  return sampling_.repetition_penalty != 1.0f || sampling_.presence_penalty != 0.0f ||
         sampling_.frequency_penalty != 0.0f;
}

void Sampler::count(TokenId token, int by) {
  const auto at = std::ranges::lower_bound(counts_, token, {}, &TokenCount::token);
  if (at != counts_.end() && at->token == token) {
    at->num_output += by;
  } else {
    counts_.insert(at, {token, by});
  }
}

// True when any logit changed.
bool Sampler::modify(std::span<float> logits, std::vector<Candidate>& overwritten) const {
  overwritten.clear();
  for (const auto& [token, bias] : sampling_.logit_bias)
    overwrite(logits, token, logits[static_cast<std::size_t>(token)] + bias, overwritten);
  if (num_sampled_ < sampling_.min_tokens)
    for (const TokenId token : stop_tokens_)
      if (token >= 0 && static_cast<std::size_t>(token) < logits.size())
        overwrite(logits, token, kMinusInfinity, overwritten);
  const float repetition = sampling_.repetition_penalty;
  for (const TokenCount& seen : counts_) {
    float logit = logits[static_cast<std::size_t>(seen.token)];
    logit = logit > 0 ? logit / repetition : logit * repetition;
    if (seen.num_output > 0)
      logit -= sampling_.frequency_penalty * static_cast<float>(seen.num_output) +
               sampling_.presence_penalty;
    overwrite(logits, seen.token, logit, overwritten);
  }
  return !overwritten.empty();
}

void Sampler::sample(std::span<float> logits, const kernels::RowStats& stats,
                     SamplerScratch& scratch, SampledToken& out) {
  if (!std::isfinite(stats.log_sum_exp)) {
    out.failed = true;
    return;
  }
  if (sampling_.num_logprobs > 0)
    top_logprobs(logits, stats.log_sum_exp, sampling_.num_logprobs, scratch.candidates,
                 out.top_logprobs);
  const bool modified = modify(logits, scratch.overwritten);
  const TokenId token = choose(view(logits), stats, modified, scratch);
  out.token = token;
  if (sampling_.num_logprobs >= 0) {
    const auto raw = std::ranges::find(scratch.overwritten, token, &Candidate::token);
    out.logprob =
        (raw == scratch.overwritten.end() ? logits[static_cast<std::size_t>(token)] : raw->logit) -
        stats.log_sum_exp;
  }
  ++num_sampled_;
  if (has_penalties()) count(token, 1);
}

TokenId Sampler::choose(std::span<const float> logits, const kernels::RowStats& stats,
                        bool modified, SamplerScratch& scratch) const {
  if (!allowed_tokens_.empty()) {
    scratch.candidates.clear();
    for (const TokenId token : allowed_tokens_)
      if (const float logit = logits[static_cast<std::size_t>(token)]; logit > kMinusInfinity)
        scratch.candidates.push_back({logit, token});
    if (scratch.candidates.empty()) return allowed_tokens_.front();
    return choose_from_candidates(scratch, -1);
  }
  const TokenId best = modified ? find_argmax(logits) : stats.argmax;
  if (sampling_.temperature < kGreedyBelow) return best;
  return choose_from_all(logits, logits[static_cast<std::size_t>(best)], scratch);
}

// Narrows the vocabulary to candidates as cheaply as the settings allow.
TokenId Sampler::choose_from_all(std::span<const float> logits, float max,
                                 SamplerScratch& scratch) const {
  const float inverse = 1.0f / sampling_.temperature;
  if (sampling_.top_k > 0 && static_cast<std::size_t>(sampling_.top_k) < logits.size()) {
    gather_top(logits, sampling_.top_k, scratch.candidates);
    return choose_from_candidates(scratch, -1);
  }
  if (sampling_.min_p > 0) {
    scratch.candidates.clear();
    gather_at_least(logits, max + sampling_.temperature * std::log(sampling_.min_p),
                    scratch.candidates);
    return choose_from_candidates(scratch, -1);
  }
  const double total = sum_weights(logits, max, inverse, scratch.weights);
  if (sampling_.top_p < 1.0f) {
    gather_nucleus(logits, max, total, scratch);
    return choose_from_candidates(scratch, total);
  }
  double left = uniform(seed_, static_cast<std::uint64_t>(num_sampled_)) * total;
  std::size_t run = 0;
  while (run + 1 < scratch.weights.size() && left >= scratch.weights[run])
    left -= scratch.weights[run++];
  std::size_t token = run * kRun, last = token;
  for (; token < std::min((run + 1) * kRun, logits.size()); ++token) {
    const double weight = fast_exp((logits[token] - max) * inverse);
    if (weight > 0) last = token;
    left -= weight;
    if (left < 0) break;
  }
  return static_cast<TokenId>(last);
}

// Candidates that hold at least top_p of the weight: a floor is lowered until they do.
void Sampler::gather_nucleus(std::span<const float> logits, float max, double total_weight,
                             SamplerScratch& scratch) const {
  const float inverse = 1.0f / sampling_.temperature;
  for (float depth = 3;; depth *= 1.5f) {
    scratch.candidates.clear();
    const bool all = depth > 90;
    gather_at_least(logits, all ? kMinusInfinity : max - depth * sampling_.temperature,
                    scratch.candidates);
    if (all) return;
    double held = 0;
    for (const Candidate& c : scratch.candidates) held += fast_exp((c.logit - max) * inverse);
    if (held >= sampling_.top_p * total_weight) return;
  }
}

// total_weight < 0: the candidates are all there is.
TokenId Sampler::choose_from_candidates(SamplerScratch& scratch, double total_weight) const {
  std::vector<Candidate>& c = scratch.candidates;
  const auto best = std::ranges::min_element(c, likelier);
  if (sampling_.temperature < kGreedyBelow) return best->token;
  const float max = best->logit;
  if (sampling_.top_k > 0 && static_cast<std::size_t>(sampling_.top_k) < c.size()) {
    std::nth_element(c.begin(), c.begin() + sampling_.top_k - 1, c.end(), likelier);
    c.resize(static_cast<std::size_t>(sampling_.top_k));
  }
  if (sampling_.min_p > 0) {
    const float floor = max + sampling_.temperature * std::log(sampling_.min_p);
    std::erase_if(c, [&](const Candidate& candidate) { return candidate.logit < floor; });
  }
  const float inverse = 1.0f / sampling_.temperature;
  const auto weight = [&](const Candidate& candidate) -> double {
    return fast_exp((candidate.logit - max) * inverse);
  };
  double held = total_weight;
  if (held < 0) {
    held = 0;
    for (const Candidate& candidate : c) held += weight(candidate);
  }
  if (sampling_.top_p < 1.0f) {
    // The fewest most likely ones that reach top_p: halve the range that holds the boundary.
    const double wanted = sampling_.top_p * held;
    std::size_t begin = 0, end = c.size();
    double before = 0;  // weight of [0, begin), all kept
    while (end - begin > 1) {
      const std::size_t middle = begin + (end - begin) / 2;
      const auto at = [&](std::size_t i) { return c.begin() + static_cast<std::ptrdiff_t>(i); };
      std::nth_element(at(begin), at(middle), at(end), likelier);
      double upper = 0;
      for (std::size_t i = begin; i < middle; ++i) upper += weight(c[i]);
      if (before + upper >= wanted) {
        end = middle;
      } else {
        before += upper;
        begin = middle;
      }
    }
    c.resize(begin + 1);
    held = before + weight(c[begin]);
  }
  double left = uniform(seed_, static_cast<std::uint64_t>(num_sampled_)) * held;
  for (const Candidate& candidate : c) {
    left -= weight(candidate);
    if (left < 0) return candidate.token;
  }
  return c.back().token;
}

void top_logprobs(std::span<const float> logits, float log_sum_exp, int n,
                  std::vector<Candidate>& scratch, std::vector<TokenLogprob>& out) {
  gather_top(logits, n, scratch);
  std::ranges::sort(scratch, likelier);
  out.clear();
  for (std::size_t i = 0; i < scratch.size(); ++i)
    out.push_back({scratch[i].token, scratch[i].logit - log_sum_exp, static_cast<int>(i)});
}

std::vector<TokenLogprob> prompt_logprobs(std::span<const float> logits, float log_sum_exp,
                                          TokenId token, int n, std::vector<Candidate>& scratch) {
  std::vector<TokenLogprob> entry, top;
  entry.push_back(
      {token, logits[static_cast<std::size_t>(token)] - log_sum_exp, rank_of(logits, token)});
  if (n > 0) {
    top_logprobs(logits, log_sum_exp, n, scratch, top);
    entry.insert(entry.end(), top.begin(), top.end());
  }
  return entry;
}

}  // namespace millrace::engine
