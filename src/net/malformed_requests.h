// For tests: HTTP/1.1 requests that must be refused.
#pragma once

#include <string>
#include <vector>

namespace millrace::net {

struct MalformedRequest {
  std::string group;
  std::string name;
  std::string bytes;
  int status;  // of the one answer
};

std::vector<MalformedRequest> malformed_requests();

}  // namespace millrace::net
