// KServe's system shared memory extension over HTTP: regions that clients of this machine register,
// to pass tensors through. Refused ("not_allowed") unless the server was told to allow it.
#pragma once

#include <memory>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

// The registry, or why there is none.
Result<serving::SharedMemory*> shared_memory_of(const ApiContext& context);
// CUDA's shared memory: not there.
Error no_cuda_shared_memory();

// GET …/systemsharedmemory[/region/{region}]/status
void get_shared_memory(const ApiContext& context, const net::HttpRequest& http,
                       std::shared_ptr<net::Responder> respond);
// POST …/systemsharedmemory/region/{region}/register {"key", "offset", "byte_size"}
void post_shared_memory_register(const ApiContext& context, const net::HttpRequest& http,
                                 std::shared_ptr<net::Responder> respond);
// POST …/systemsharedmemory[/region/{region}]/unregister
void post_shared_memory_unregister(const ApiContext& context, const net::HttpRequest& http,
                                   std::shared_ptr<net::Responder> respond);
// The same of /v2/cudasharedmemory: none is ever registered.
void get_cuda_shared_memory(const ApiContext& context, const net::HttpRequest& http,
                            std::shared_ptr<net::Responder> respond);
void post_cuda_shared_memory_register(const ApiContext& context, const net::HttpRequest& http,
                                      std::shared_ptr<net::Responder> respond);
void post_cuda_shared_memory_unregister(const ApiContext& context, const net::HttpRequest& http,
                                        std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
