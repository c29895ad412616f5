// What a request must satisfy before it may wait: everything that could otherwise fail inside a
// step or never finish is refused here, with figures.
#pragma once

#include "base/result.h"
#include "engine/engine_config.h"
#include "servable/requests.h"

namespace millrace::engine {

Status check_request(const GenerateRequest& request, const EngineConfig& config);

}  // namespace millrace::engine
