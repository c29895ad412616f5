// A text file as a model's tokens: what it is measured or fitted on.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "backends/native/model_folder.h"
#include "base/result.h"
#include "servable/servable.h"

namespace millrace::app {

// The first `most` tokens of the file that --text names; an error where there are fewer than
// `fewest`.
Result<std::vector<TokenId>> read_text_tokens(const std::string& file,
                                              const backends::ModelFolder& folder,
                                              std::size_t fewest, std::size_t most);

}  // namespace millrace::app
