// `millrace quantize`: a model of floats made into one of our own weight kinds, with what its
// layers see of a text in mind. Returns the exit status.
#pragma once

#include "app/cli.h"

namespace millrace::app {

int quantize_command(const QuantizeCommand& command);

}  // namespace millrace::app
