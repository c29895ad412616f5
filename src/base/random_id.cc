#include "base/random_id.h"

#include <sys/random.h>

#include <array>
#include <random>
#include <string_view>

namespace millrace {

std::string random_id() {
  // The kernel is asked for many at once. A random_device each time costs more than that: making
  // one asks what the processor can do, which a virtual machine traps.
  thread_local std::array<unsigned char, 512> random;
  thread_local std::size_t used = random.size();
  constexpr std::size_t kIdBytes = 16;
  if (used + kIdBytes > random.size()) {
    if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
      std::random_device device;
      for (auto& byte : random) byte = static_cast<unsigned char>(device());
    }
    used = 0;
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string id(2 * kIdBytes, '0');
  for (std::size_t i = 0; i < kIdBytes; ++i) {
    const unsigned char byte = random[used++];
    id[2 * i] = kHex[byte >> 4];
    id[2 * i + 1] = kHex[byte & 15];
  }
  return id;
}

}  // namespace millrace
