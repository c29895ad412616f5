// Parsers of tf.Examples (ParseExample, ParseExampleV2) in graphs of the runtime, which does not
// know them: clients' examples are parsed by whoever asks, and the graph is entered behind them.
#pragma once

#include <openvino/frontend/frontend.hpp>
#include <openvino/openvino.hpp>

#include "backends/openvino/graph_def.h"
#include "servable/description.h"

namespace millrace::backends {

// The frontend converts them to an operator that stands for them; it cannot be computed.
void teach_examples(ov::frontend::FrontEnd& frontend);

// In a graph so converted: inputs for the parser's features that the outputs need (FeatureSpec), in
// place of the parser and of the input that it reads. Throws std::runtime_error where they need
// another parser, or features that no client could send.
std::vector<FeatureSpec> enter_behind_parser(ov::Model& graph, const ExampleParser& parser);

}  // namespace millrace::backends
