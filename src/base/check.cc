#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace millrace {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "millrace: broken invariant: %s (%s:%d). Please report this.\n", condition,
               file, line);
  std::abort();
}

}  // namespace millrace
