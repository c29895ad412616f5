// The one file that names LibTorch. It must not include fmt: LibTorch's headers bring another one.
#include "backends/torch/torch_program.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/version.h>

#include <cstring>
#include <exception>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace millrace::backends {
namespace {

struct Pair {
  DType ours;
  c10::ScalarType theirs;
};
constexpr Pair kPairs[] = {
    {DType::f32, c10::ScalarType::Float},     {DType::f16, c10::ScalarType::Half},
    {DType::bf16, c10::ScalarType::BFloat16}, {DType::f64, c10::ScalarType::Double},
    {DType::i8, c10::ScalarType::Char},       {DType::i16, c10::ScalarType::Short},
    {DType::i32, c10::ScalarType::Int},       {DType::i64, c10::ScalarType::Long},
    {DType::u8, c10::ScalarType::Byte},       {DType::u16, c10::ScalarType::UInt16},
    {DType::u32, c10::ScalarType::UInt32},    {DType::u64, c10::ScalarType::UInt64},
    {DType::boolean, c10::ScalarType::Bool}};

std::optional<c10::ScalarType> scalar_type_of(DType dtype) {
  for (const Pair& pair : kPairs) {
    if (pair.ours == dtype) return pair.theirs;
  }
  return std::nullopt;
}

std::optional<DType> dtype_of(c10::ScalarType type) {
  for (const Pair& pair : kPairs) {
    if (pair.theirs == type) return pair.ours;
  }
  return std::nullopt;
}

// The line of LibTorch's message that says why: its last ones, without the interpreter's stack.
std::string reason_of(std::string_view what) {
  constexpr std::string_view kMark = "RuntimeError: ";
  if (const auto mark = what.rfind(kMark); mark != std::string_view::npos) {
    what.remove_prefix(mark + kMark.size());
  }
  std::string reason(what.substr(0, what.find('\n')));
  if (reason.size() > 300) reason.resize(300);
  return reason;
}

// What was thrown, as an error. Call within a catch.
std::unexpected<Error> thrown() {
  try {
    throw;
  } catch (const c10::Error& e) {
    return invalid(reason_of(e.what_without_backtrace()));
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::internal, "there was not enough memory");
  } catch (const std::exception& e) {
    return invalid(reason_of(e.what()));
  } catch (...) {
    return fail(ErrorKind::internal, "something was thrown that is no exception");
  }
}

// A copy, in memory of LibTorch's: programs may write into their inputs.
Result<at::Tensor> tensor_of(const TensorSpec& spec, const InputTensor& input,
                             const c10::Device& device) {
  const auto type = scalar_type_of(spec.dtype);
  if (!type) return invalid("input '" + spec.name + "' has elements that LibTorch does not know");
  const auto dims = input.shape.dims();
  at::Tensor tensor =
      at::empty(c10::IntArrayRef(dims.data(), dims.size()), c10::TensorOptions().dtype(*type));
  auto* out = static_cast<std::byte*>(tensor.data_ptr());
  std::size_t left = tensor.nbytes();
  for (const std::span<const std::byte> part : input.parts) {
    if (part.size() > left) return invalid("an input's bytes are not what its shape says");
    if (!part.empty()) std::memcpy(out, part.data(), part.size());
    out += part.size();
    left -= part.size();
  }
  if (left > 0) return invalid("an input's bytes are not what its shape says");
  return device.is_cpu() ? tensor : tensor.to(device);
}

// Keeps tensors, and the program that they came from: its constants may be among them.
struct Kept {
  std::vector<at::Tensor> tensors;
  std::shared_ptr<const TorchProgram> program;
};

Result<TorchOutputs> outputs_of(std::vector<at::Tensor> tensors, std::vector<std::string> names,
                                std::shared_ptr<const TorchProgram> program) {
  TorchOutputs outputs{.names = std::move(names)};
  auto kept = std::make_shared<Kept>();
  for (const at::Tensor& tensor : tensors) {
    const at::Tensor plain = tensor.to(c10::kCPU).contiguous();
    const auto dtype = dtype_of(plain.scalar_type());
    if (!dtype) {
      return invalid(std::string("an output has elements of type ") +
                     c10::toString(plain.scalar_type()) + ", which clients cannot read");
    }
    if (plain.dim() > kMaxRank) return invalid("an output has too many dimensions");
    const auto sizes = plain.sizes();
    TorchOutput output{.dtype = *dtype,
                       .shape = Shape(std::span<const std::int64_t>(sizes.data(), sizes.size()))};
    if (plain.nbytes() > 0) {
      output.data = {static_cast<const std::byte*>(plain.const_data_ptr()), plain.nbytes()};
    }
    outputs.values.push_back(output);
    kept->tensors.push_back(plain);
  }
  kept->program = std::move(program);
  outputs.owner = std::move(kept);
  return outputs;
}

class ScriptProgram final : public TorchProgram,
                            public std::enable_shared_from_this<ScriptProgram> {
 public:
  static Result<std::shared_ptr<const TorchProgram>> load(const TorchLoad& load);

  const TorchFacts& facts() const override { return facts_; }
  Result<TorchOutputs> run(std::span<const TensorSpec> specs,
                           std::span<const InputTensor> inputs) const override;

 private:
  Status describe();
  static Status flatten(const c10::IValue& value, std::vector<at::Tensor>& tensors,
                        std::vector<std::string>& names);

  // Running a module is no const method of it, but safe from several threads.
  mutable torch::jit::Module module_;
  c10::Device device_ = c10::kCPU;
  TorchFacts facts_;
};

Status ScriptProgram::describe() {
  const auto forward = module_.find_method("forward");
  if (!forward) return invalid("it has no method forward()");
  const auto& arguments = forward->function().getSchema().arguments();
  for (std::size_t i = 1; i < arguments.size(); ++i) {  // behind self
    const auto& argument = arguments[i];
    const bool required = !argument.default_value().has_value();
    const bool is_tensor = c10::TensorType::get()->isSubtypeOf(*argument.type());
    if (is_tensor) {
      facts_.parameters.push_back({.name = argument.name(), .required = required});
    } else if (required) {
      return invalid("forward() takes '" + argument.name() + "' of type " +
                     argument.type()->annotation_str() + "; only tensors can be sent");
    }
  }
  std::map<std::string, std::int64_t> bytes_of_type;
  const auto count = [&](const at::Tensor& tensor) {
    facts_.num_weights += tensor.numel();
    facts_.weight_bytes += static_cast<std::int64_t>(tensor.nbytes());
    bytes_of_type[c10::toString(tensor.scalar_type())] +=
        static_cast<std::int64_t>(tensor.nbytes());
  };
  for (const at::Tensor& tensor : module_.parameters()) count(tensor);
  for (const at::Tensor& tensor : module_.buffers()) count(tensor);
  std::int64_t most = 0;
  for (const auto& [type, bytes] : bytes_of_type) {
    if (bytes <= most) continue;
    most = bytes;
    facts_.weight_type = type;
  }
  facts_.device = device_.is_cpu() ? "cpu" : "cuda";
  return {};
}

Result<std::shared_ptr<const TorchProgram>> ScriptProgram::load(const TorchLoad& load) {
  auto program = std::make_shared<ScriptProgram>();
  if (at::hasCUDA()) program->device_ = c10::Device(c10::kCUDA, 0);
  program->module_ = torch::jit::load(load.path.string(), program->device_);
  program->module_.eval();
  if (Status described = program->describe(); !described) return pass(described);
  return program;
}

Status ScriptProgram::flatten(const c10::IValue& value, std::vector<at::Tensor>& tensors,
                              std::vector<std::string>& names) {
  if (value.isTensor()) {
    tensors.push_back(value.toTensor());
    return {};
  }
  if (value.isTuple()) {
    const auto tuple = value.toTuple();
    const auto schema = tuple->type()->schema();
    for (std::size_t i = 0; i < tuple->elements().size(); ++i) {
      if (schema) names.push_back(schema->arguments()[i].name());
      if (Status done = flatten(tuple->elements()[i], tensors, names); !done) return done;
    }
    return {};
  }
  if (value.isList()) {
    for (const c10::IValue& element : value.toListRef()) {
      if (Status done = flatten(element, tensors, names); !done) return done;
    }
    return {};
  }
  if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) {
      if (!entry.key().isString() || !entry.value().isTensor()) break;
      names.push_back(entry.key().toStringRef());
      tensors.push_back(entry.value().toTensor());
    }
    return {};
  }
  return invalid("forward() answers a value of type " + value.tagKind() +
                 "; only tensors can be answered");
}

Result<TorchOutputs> ScriptProgram::run(std::span<const TensorSpec> specs,
                                        std::span<const InputTensor> inputs) const {
  try {
    const c10::InferenceMode inference;
    std::unordered_map<std::string, c10::IValue> arguments;
    for (std::size_t i = 0; i < specs.size(); ++i) {
      auto tensor = tensor_of(specs[i], inputs[i], device_);
      if (!tensor) return pass(tensor);
      arguments.emplace(specs[i].name, *std::move(tensor));
    }
    const c10::IValue value = module_.get_method("forward")({}, arguments);
    std::vector<at::Tensor> tensors;
    std::vector<std::string> names;
    if (Status done = flatten(value, tensors, names); !done) return pass(done);
    if (names.size() != tensors.size()) names.clear();
    return outputs_of(std::move(tensors), std::move(names), shared_from_this());
  } catch (...) {
    return thrown();
  }
}

class PackageProgram final : public TorchProgram,
                             public std::enable_shared_from_this<PackageProgram> {
 public:
  explicit PackageProgram(const TorchLoad& load)
      : loader_(load.path.string(), "model", /*run_single_threaded=*/false,
                static_cast<std::size_t>(load.num_concurrent)) {
    facts_.device = loader_.get_metadata()["AOTI_DEVICE_KEY"] == "cuda" ? "cuda" : "cpu";
    if (facts_.device == "cuda") device_ = c10::Device(c10::kCUDA, 0);
  }
  static Result<std::shared_ptr<const TorchProgram>> load(const TorchLoad& load) {
    if (Status fits = check_machine(load.path.string()); !fits) return pass(fits);
    return std::make_shared<PackageProgram>(load);
  }

  const TorchFacts& facts() const override { return facts_; }
  Result<TorchOutputs> run(std::span<const TensorSpec> specs,
                           std::span<const InputTensor> inputs) const override {
    try {
      const c10::InferenceMode inference;
      std::vector<at::Tensor> tensors;
      for (std::size_t i = 0; i < specs.size(); ++i) {
        auto tensor = tensor_of(specs[i], inputs[i], device_);
        if (!tensor) return pass(tensor);
        tensors.push_back(*std::move(tensor));
      }
      return outputs_of(loader_.run(tensors), {}, shared_from_this());
    } catch (...) {
      return thrown();
    }
  }

 private:
  static Status check_machine(const std::string& path);

  mutable torch::inductor::AOTIModelPackageLoader loader_;  // takes turns by itself
  c10::Device device_ = c10::kCPU;
  TorchFacts facts_;
};

// A package is machine code: what this processor lacks would end the process.
Status PackageProgram::check_machine(const std::string& path) {
  auto metadata =
      torch::inductor::AOTIModelPackageLoader::load_metadata_from_package(path, "model");
#ifdef __x86_64__
  const std::string isa = " " + metadata["AOTI_CPU_ISA"] + " ";
  const std::pair<const char*, bool> features[] = {
      {" AVX2 ", __builtin_cpu_supports("avx2") != 0},
      {" AVX512 ", __builtin_cpu_supports("avx512f") != 0},
      {" AVX512_VNNI ", __builtin_cpu_supports("avx512vnni") != 0}};
  for (const auto& [name, has] : features) {
    if (!has && isa.find(name) != std::string::npos) {
      return invalid("it was compiled for" + isa + "and this processor has no" + name +
                     "; compile it on such a machine");
    }
  }
  const char* machine = "x86_64";
#else
  const char* machine = "aarch64";
#endif
  const std::string& wanted = metadata["AOTI_MACHINE"];
  if (wanted.empty() || wanted == machine) return {};
  return invalid("it was compiled for " + wanted + "; this machine is " + machine);
}

class Library final : public TorchLibrary {
 public:
  std::string version() const override { return TORCH_VERSION; }
  Result<std::shared_ptr<const TorchProgram>> load(const TorchLoad& load) const override {
    try {
      return load.is_package ? PackageProgram::load(load) : ScriptProgram::load(load);
    } catch (...) {
      return thrown();
    }
  }
  void set_threads(int count) const override { at::set_num_threads(count); }
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const TorchLibrary* millrace_open_torch(
    int headers) {
  static const Library library;
  return headers == kTorchHeaders ? &library : nullptr;
}

}  // namespace millrace::backends
