// Ids that nobody can guess.
#pragma once

#include <string>

namespace millrace {

std::string random_id();  // 128 random bits as 32 hexadecimal digits; thread-safe

}  // namespace millrace
