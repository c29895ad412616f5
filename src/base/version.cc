#include "base/version.h"

namespace millrace {

const char* const kVersion = MILLRACE_VERSION;
const char* const kCommit = MILLRACE_COMMIT;

}  // namespace millrace
