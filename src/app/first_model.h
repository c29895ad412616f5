// What a person is told who has no model yet, or types another name than it has.
#pragma once

#include <string>

#include "base/result.h"

namespace millrace::app {

// The error's sentence; where there is no model, how to get one.
std::string with_first_model(const Error& error);

// "there is no model 'smollm2' here; models holds smollm2-135m-instruct". `models_dir` may be
// missing.
std::string no_such_model(const std::string& name, const std::string& models_dir);

}  // namespace millrace::app
