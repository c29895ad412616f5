// POST …/infer as it comes over HTTP: a JSON head, and behind it the binary tensors it speaks of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/kserve/label.h"
#include "api/kserve/parameters.h"
#include "base/result.h"
#include "net/http_types.h"
#include "serving/shared_memory.h"
#include "serving/tensor_request.h"

namespace millrace::api {

// An output the client asks for by name.
struct WantedOutput {
  std::string name{};
  bool binary = false;
  std::int64_t classification = 0;               // 0: the tensor itself
  std::optional<serving::SharedPiece> shared{};  // where it is to be put instead
};

struct InferHead {
  std::string id{};
  std::vector<WantedOutput> outputs{};  // empty: all
  bool all_binary = false;              // where a wanted output does not say, or none is named
};

inline constexpr std::size_t kMaxTensors = 1024;  // inputs, and outputs asked for
inline constexpr std::size_t kMaxIdBytes = 1024;

// The parts of a request that every wire has as named parameters. `shared` is null where clients
// may not use shared memory: then naming a region is refused.
//
// Of the whole request: priority, timeout, binary_data_output; sequences are refused.
Status read_infer_parameters(const Parameters& parameters, serving::TensorRequest& request,
                             InferHead& head);
// Of an output; appended to the head's. invalid_argument where it is asked for twice.
Status read_wanted_output(std::string name, const Parameters& parameters,
                          const serving::SharedMemory* shared, InferHead& head);
// Of an input: where its bytes lie in shared memory, if they do. `label`: "input 'x'".
Result<std::optional<serving::SharedPiece>> read_shared_piece(const Parameters& parameters,
                                                              const serving::SharedMemory* shared,
                                                              const Label& label);

// How many bytes of the body are JSON: what Inference-Header-Content-Length says, or all.
Result<std::size_t> json_bytes(const net::HttpRequest& http);

// Fills the request's inputs, owner, priority and deadline; takes the body. Errors name the field
// or the tensor. Names, shapes and sizes are compared with the model later (serving/tensor_checks).
Result<InferHead> parse_infer(net::HttpRequest& http, serving::TensorRequest& request,
                              const serving::SharedMemory* shared = nullptr);

}  // namespace millrace::api
