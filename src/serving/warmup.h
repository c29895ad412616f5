// Requests that are run before a graph model serves, so that the first client does not pay for what
// is done once.
#pragma once

#include <vector>

#include "base/result.h"
#include "servable/servable.h"
#include "serving/graph_settings.h"

namespace millrace::serving {

// Blocks until all have run. Errors name the sample: an input that is not the model's, data of
// another size, or what the model says.
Status warm_up(const std::vector<WarmupSample>& samples, Servable& model);

}  // namespace millrace::serving
