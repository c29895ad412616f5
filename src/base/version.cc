#include "base/version.h"

namespace millrace {

const char* const kVersion = MILLRACE_VERSION;

}  // namespace millrace
