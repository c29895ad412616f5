// Which files of a repository make a model that can be served.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "hub/hub_client.h"

namespace millrace::hub {

// `wanted` empty: configuration, tokenizer and safetensors where the repository has them, else one
// GGUF (Q4_K_M, or the only one). Otherwise a file name, a pattern (`*` also passes '/'), or a
// quantisation
// ("Q8_0"); all parts of a split GGUF come together. In the order to fetch: what makes a folder
// look like a model comes last. not_found or invalid_argument name what there is to choose from.
Result<std::vector<HubFile>> choose_files(const std::vector<HubFile>& files,
                                          const std::string& wanted);

}  // namespace millrace::hub
