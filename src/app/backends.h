// The backends compiled in: the one place that names them.
#pragma once

#include <memory>
#include <vector>

#include "servable/servable.h"

namespace millrace::app {

// In the order in which they are asked whether they recognise a model.
std::vector<std::unique_ptr<Backend>> make_backends();

}  // namespace millrace::app
