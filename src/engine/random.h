// Counter-based randomness: the i-th draw of a seed is a pure function of both, so a sequence's
// tokens depend neither on its batch nor on being preempted. Philox4x32-10: Salmon et al., Parallel
// Random Numbers: As Easy as 1, 2, 3, SC 2011.
#pragma once

#include <array>
#include <cstdint>

namespace millrace::engine {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

// In [0, 1), 53 bits.
double uniform(std::uint64_t seed, std::uint64_t draw);

// A well-mixed 64-bit function of its arguments (not for secrets).
std::uint64_t mix(std::uint64_t a, std::uint64_t b);

}  // namespace millrace::engine
