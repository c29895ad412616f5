#include "api/openai/run.h"

#include <string>
#include <utility>

#include "api/errors.h"
#include "base/clock.h"

namespace millrace::api {

AnswerHead head_of(const serving::TextStream& stream, const WireRequest& wire,
                   std::string_view id_prefix) {
  const serving::Model& model = *stream.options().model;
  AnswerHead head{.id = std::string(id_prefix) + stream.options().id,
                  .created = unix_seconds(),
                  .model = model.name(),
                  .fingerprint = model.fingerprint(),
                  .trace_id = std::string(stream.options().trace.id()),
                  .include_usage = wire.include_usage,
                  .continuous_usage = wire.continuous_usage,
                  .return_token_ids = wire.return_token_ids,
                  .num_logprobs = stream.options().sampling.num_logprobs,
                  .num_choices_per_prompt = stream.options().n};
  if (wire.return_token_ids) {
    for (const auto& prompt : stream.prompts()) head.prompt_token_ids.push_back(prompt.tokens);
  }
  return head;
}

void run_answer(const ApiContext& context, Result<RunningAnswer> answer,
                std::shared_ptr<net::Responder> respond) {
  if (!answer) return respond->send(error_response(answer.error()));
  const auto& stream = answer->stream;
  context.text.start(stream, make_sink(respond, std::move(answer->format), stream->num_choices(),
                                       answer->streamed));
  respond->on_disconnect([weak = std::weak_ptr(stream)] {
    if (const auto running = weak.lock()) running->cancel();
  });
}

}  // namespace millrace::api
