// A PyTorch program behind plain tensors. What stands between this and LibTorch is one file,
// torch_program.cc, in a module of its own that is opened when the first program is loaded: so no
// other file sees LibTorch's headers, and nobody else waits for its 400 MB.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "servable/tensor_model.h"

namespace millrace::backends {

struct TorchOutput {
  DType dtype = DType::f32;
  Shape shape{};
  std::span<const std::byte> data{};
};

struct TorchOutputs {
  std::vector<TorchOutput> values{};
  std::vector<std::string> names{};     // of a named tuple or dictionary; else empty
  std::shared_ptr<const void> owner{};  // the values are valid while it lives
};

// An input of TorchScript's forward(): its file says no more of it.
struct TorchParameter {
  std::string name{};
  bool required = true;
};

struct TorchFacts {
  std::vector<TorchParameter> parameters{};  // empty: the file names none (AOTInductor)
  std::int64_t num_weights = 0, weight_bytes = 0;
  std::string weight_type;  // "Float"; empty: unknown
  std::string device;       // "cpu" | "cuda"
};

// Immutable and thread-safe. Outlives what its outputs look at: they hold it.
class TorchProgram {
 public:
  virtual ~TorchProgram() = default;
  virtual const TorchFacts& facts() const = 0;
  // Copies the inputs in, one spec each, and computes. Blocks. Errors: the reason, for operators.
  virtual Result<TorchOutputs> run(std::span<const TensorSpec> specs,
                                   std::span<const InputTensor> inputs) const = 0;
};

struct TorchLoad {
  std::filesystem::path path{};
  bool is_package = false;
  int num_concurrent = 1;  // executions at once
};

// What the module offers; one of it a process.
class TorchLibrary {
 public:
  virtual ~TorchLibrary() = default;
  virtual std::string version() const = 0;
  virtual Result<std::shared_ptr<const TorchProgram>> load(const TorchLoad& load) const = 0;
  // Threads that a program of this thread computes with.
  virtual void set_threads(int count) const = 0;
};

// The module's one function: null where its version of these headers is another.
using OpenTorchLibrary = const TorchLibrary* (*)(int headers);
inline constexpr int kTorchHeaders = 1;  // raised with every change of this file
inline constexpr const char* kOpenTorchLibrary = "millrace_open_torch";

}  // namespace millrace::backends
