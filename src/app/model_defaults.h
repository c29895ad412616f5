// Settings → what every model is loaded with.
#pragma once

#include "app/config.h"
#include "servable/description.h"

namespace millrace::app {

ModelSpec model_defaults(const ServeConfig& config);

}  // namespace millrace::app
