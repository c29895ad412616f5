// What a request's settings must satisfy against its model: token ids inside the vocabulary,
// lengths inside the context and the KV cache. Ranges that need no model are checked by the
// dialects.
#pragma once

#include "base/result.h"
#include "servable/requests.h"
#include "serving/text_request.h"

namespace millrace::serving {

// Ids in logit_bias, allowed_token_ids and stop_token_ids.
Status check_token_ids(const TextOptions& options);

// Forbids each bad word that is one token, through the bias; refuses others.
Status apply_bad_words(TextOptions& options);

// Sets sampling.max_tokens for a prompt of this length, or refuses with context_length_exceeded or
// request_too_large (n sequences of that length would never fit the KV cache together).
Status resolve_max_tokens(TextOptions& options, int num_prompt_tokens, const char* prompt_param);

}  // namespace millrace::serving
