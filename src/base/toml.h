// TOML as JSON values, for tables that are no settings (base/settings.h reads those).
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace millrace {

// The whole document. Dates and times are not accepted. Errors give the line: "model.toml:3: …".
Result<json::object> parse_toml(std::string_view text, const std::string& file_name);

}  // namespace millrace
