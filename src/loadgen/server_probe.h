// What a server tells before the load: its model's name, and how it counts tokens.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "loadgen/prompts.h"
#include "loadgen/target.h"
#include "loadgen/workload.h"
#include "net/http_client.h"

namespace millrace::loadgen {

class ServerProbe {
 public:
  ServerProbe(const Target& target, std::string api_key)
      : target_(target), api_key_(std::move(api_key)), client_(target.host, target.port) {}

  // The first of GET /v1/models. not_found where the list is empty.
  Result<std::string> first_model();

  // Learns the tokens of words from POST /tokenize where the server has it, else from the
  // usage.prompt_tokens of one-token answers. `method` becomes "tokenize" or "usage".
  Result<PromptMaker> calibrate(const WorkloadOptions& options, std::string& method);

 private:
  Result<json::value> post(const std::string& path, std::string body);
  Result<int> count_by_tokenize(const WorkloadOptions& options, const std::string& prompt);
  Result<int> count_by_usage(const Workload& workload, const std::string& prompt);

  const Target& target_;
  std::string api_key_;
  net::HttpClient client_;
};

}  // namespace millrace::loadgen
