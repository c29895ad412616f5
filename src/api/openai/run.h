// The last steps that chat and completions share: the answer's head, its sink, cancelling when the
// client goes.
#pragma once

#include <memory>
#include <string_view>

#include "api/context.h"
#include "api/openai/answer.h"
#include "api/openai/text_fields.h"
#include "base/result.h"
#include "net/http_types.h"

namespace millrace::api {

struct RunningAnswer {
  std::shared_ptr<serving::TextStream> stream;  // submitted, not started
  std::unique_ptr<AnswerFormat> format;
  bool streamed = false;
};

// All but the object names.
AnswerHead head_of(const serving::TextStream& stream, const WireRequest& wire,
                   std::string_view id_prefix);

// Starts the answer, or sends the error.
void run_answer(const ApiContext& context, Result<RunningAnswer> answer,
                std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
