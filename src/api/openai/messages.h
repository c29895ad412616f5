// The messages and tools of a chat request.
#pragma once

#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "serving/text_model.h"

namespace millrace::api {

// 1 to 1,024 messages: known role, content as text or text parts (joined by line breaks). Roles
// "developer" and "function" become "system" and "tool", which templates know. Errors name the
// place: "messages[3].content".
Result<std::vector<serving::ChatMessage>> parse_messages(const json::value& value);

// Up to 128 function tools, passed to the template as they are. Error code "invalid_schema".
Result<json::array> parse_tools(const json::value& value);

// "none", "auto" (the model's words are text in either case); a forced call is unsupported.
Status check_tool_choice(const json::value& value);

}  // namespace millrace::api
