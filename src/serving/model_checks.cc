#include "serving/model_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "serving/tensor_checks.h"

namespace millrace::serving {
namespace {

bool fits(std::int64_t a, std::int64_t b) {
  return a < 0 || b < 0 || a == b;
}

// The sizes that the graph must have for a declaration.
std::vector<std::int64_t> graph_dims(const TensorDeclaration& declared, bool batched) {
  std::vector<std::int64_t> dims = declared.reshape ? *declared.reshape : declared.dims;
  if (batched) dims.insert(dims.begin(), -1);
  return dims;
}

std::string names_of(const std::vector<TensorSpec>& tensors) {
  std::string names;
  for (const TensorSpec& spec : tensors) names += (names.empty() ? "'" : ", '") + spec.name + "'";
  return names;
}

Status check_one(const TensorDeclaration& declared, const std::vector<TensorSpec>& tensors,
                 const char* role, bool batched) {
  const auto spec = std::ranges::find(tensors, declared.name, &TensorSpec::name);
  if (spec == tensors.end()) {
    return invalid(fmt::format("{}: the model has no {} '{}'; it has {}", declared.where, role,
                               declared.name.substr(0, 64), names_of(tensors)),
                   declared.name);
  }
  if (declared.dtype && *declared.dtype != spec->dtype) {
    return invalid(fmt::format("{}: {} '{}' is {}, but the model's is {}", declared.where, role,
                               declared.name, dtype_name(*declared.dtype), dtype_name(spec->dtype)),
                   declared.name);
  }
  if (!declared.has_dims || spec->any_rank) return {};
  const auto dims = graph_dims(declared, batched);
  if (std::ranges::equal(dims, spec->shape.dims(), fits)) return {};
  return invalid(fmt::format("{}: {} '{}' has shape {}{}, but the model's is {}", declared.where,
                             role, declared.name, to_string(dims), batched ? " with the batch" : "",
                             to_string(spec->shape.dims())),
                 declared.name);
}

// The product of the sizes that are not open; -1 where it is too large.
std::int64_t known_elements(const std::vector<std::int64_t>& dims) {
  std::int64_t product = 1;
  for (const std::int64_t dim : dims) {
    if (dim >= 0 && __builtin_mul_overflow(product, dim, &product)) return -1;
  }
  return product;
}

Status check_reshape(const TensorDeclaration& declared) {
  if (!declared.reshape) return {};
  const auto num_open = [](const std::vector<std::int64_t>& dims) {
    return std::ranges::count_if(dims, [](std::int64_t dim) { return dim < 0; });
  };
  const std::int64_t from = known_elements(declared.dims), to = known_elements(*declared.reshape);
  const auto open = num_open(declared.dims);
  const bool right = from >= 0 && to >= 0 && open <= 1 && num_open(*declared.reshape) == open &&
                     (open == 1 || from == to);
  if (right) return {};
  return invalid(fmt::format("{}: '{}' of shape {} cannot be reshaped to {}", declared.where,
                             declared.name, to_string(declared.dims), to_string(*declared.reshape)),
                 declared.name);
}

// The declared sizes, where they say more than the graph does.
void refine(const std::vector<TensorDeclaration>& declarations, bool batched,
            std::vector<TensorSpec>& tensors) {
  for (const TensorDeclaration& declared : declarations) {
    const auto spec = std::ranges::find(tensors, declared.name, &TensorSpec::name);
    if (spec == tensors.end() || !declared.has_dims) continue;
    std::vector<std::int64_t> dims = declared.dims;
    if (batched) dims.insert(dims.begin(), -1);
    if (dims.size() > static_cast<std::size_t>(kMaxRank)) continue;
    if (!declared.reshape && !spec->any_rank) {
      for (std::size_t i = 0; i < dims.size(); ++i) {
        if (dims[i] < 0) dims[i] = spec->shape[static_cast<int>(i)];
      }
    }
    spec->shape = Shape(dims);
    spec->any_rank = false;
  }
}

}  // namespace

Status check_declarations(const GraphSettings& settings, const ModelDescription& graph) {
  const bool batched = graph.max_batch_size > 0;
  for (const TensorDeclaration& declared : settings.inputs) {
    if (Status ok = check_one(declared, graph.inputs, "input", batched); !ok) return ok;
  }
  for (const TensorDeclaration& declared : settings.outputs) {
    if (Status ok = check_one(declared, graph.outputs, "output", batched); !ok) return ok;
  }
  for (const auto* all : {&settings.inputs, &settings.outputs}) {
    for (const TensorDeclaration& declared : *all) {
      if (Status ok = check_reshape(declared); !ok) return ok;
    }
  }
  return {};
}

ModelDescription declared_description(const GraphSettings& settings,
                                      const ModelDescription& graph) {
  ModelDescription declared = graph;
  const bool batched = graph.max_batch_size > 0;
  refine(settings.inputs, batched, declared.inputs);
  refine(settings.outputs, batched, declared.outputs);
  return declared;
}

std::vector<Reshape> reshapes_of(const std::vector<TensorDeclaration>& declared,
                                 const std::vector<TensorSpec>& tensors, bool batched,
                                 bool to_graph) {
  std::vector<Reshape> all;
  for (const TensorDeclaration& one : declared) {
    const auto spec = std::ranges::find(tensors, one.name, &TensorSpec::name);
    if (spec == tensors.end() || !one.reshape) continue;
    all.push_back({.index = static_cast<std::size_t>(spec - tensors.begin()),
                   .dims = to_graph ? *one.reshape : one.dims,
                   .batched = batched});
  }
  return all;
}

Shape reshaped(const Shape& from, const Reshape& reshape) {
  std::vector<std::int64_t> dims = reshape.dims;
  const std::int64_t rows = reshape.batched ? from[0] : 1;
  const std::int64_t known = known_elements(dims);
  const std::int64_t of_row = rows > 0 ? from.num_elements() / rows : 0;
  for (std::int64_t& dim : dims) {
    if (dim < 0) dim = known > 0 ? of_row / known : 0;
  }
  if (reshape.batched) dims.insert(dims.begin(), rows);
  const Shape to(dims);
  return to.num_elements() == from.num_elements() ? to : from;
}

}  // namespace millrace::serving
