// POST /tokenize and /detokenize, in vLLM's shape.
#pragma once

#include <memory>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

// {model, prompt | messages, add_special_tokens, return_token_strs} → {count, max_model_len,
// tokens}
void post_tokenize(const ApiContext& context, const net::HttpRequest& http,
                   std::shared_ptr<net::Responder> respond);
// {model, tokens} → {prompt}
void post_detokenize(const ApiContext& context, const net::HttpRequest& http,
                     std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
