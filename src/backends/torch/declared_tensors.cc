#include "backends/torch/declared_tensors.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "base/file.h"

namespace millrace::backends {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxTensors = 256;

struct Name {
  std::string_view text;
  DType dtype;
};
// KServe's, as clients see them. Strings are no tensors to LibTorch.
constexpr Name kNames[] = {{"BOOL", DType::boolean}, {"UINT8", DType::u8},   {"UINT16", DType::u16},
                           {"UINT32", DType::u32},   {"UINT64", DType::u64}, {"INT8", DType::i8},
                           {"INT16", DType::i16},    {"INT32", DType::i32},  {"INT64", DType::i64},
                           {"FP16", DType::f16},     {"BF16", DType::bf16},  {"FP32", DType::f32},
                           {"FP64", DType::f64}};

class Reader {
 public:
  Reader(std::string file, const char* table) : file_(std::move(file)), table_(table) {}

  Result<std::vector<TensorSpec>> read(const toml::node& node) const {
    const auto* list = node.as_array();
    if (!list || list->size() > kMaxTensors) {
      return wrong(node, fmt::format("write [[{}]] once for each", table_));
    }
    std::vector<TensorSpec> specs;
    for (const toml::node& entry : *list) {
      const auto* table = entry.as_table();
      if (!table) return wrong(entry, fmt::format("write [[{}]] once for each", table_));
      auto spec = read_spec(*table);
      if (!spec) return pass(spec);
      const auto same = std::ranges::find(specs, spec->name, &TensorSpec::name);
      if (same != specs.end()) return wrong(entry, fmt::format("'{}' twice", spec->name));
      specs.push_back(*std::move(spec));
    }
    return specs;
  }

 private:
  std::unexpected<Error> wrong(const toml::node& node, std::string_view what) const {
    return invalid(fmt::format("{}:{}: [[{}]]: {}", file_, node.source().begin.line, table_, what),
                   table_);
  }
  Result<TensorSpec> read_spec(const toml::table& table) const {
    TensorSpec spec;
    bool has_dtype = false, has_shape = false;
    for (const auto& [key, node] : table) {
      const std::string_view name = key.str();
      Status done;
      if (name == "name" && node.is_string() && !node.as_string()->get().empty()) {
        spec.name = node.as_string()->get();
      } else if (name == "dtype") {
        has_dtype = true;
        done = read_dtype(node, spec);
      } else if (name == "shape") {
        has_shape = true;
        done = read_shape(node, spec);
      } else {
        done = wrong(node, fmt::format("\"{}\" is none of name = \"…\", dtype, shape", name));
      }
      if (!done) return pass(done);
    }
    if (!spec.name.empty() && has_dtype && has_shape) return spec;
    return wrong(table, "name, dtype and shape must all be there");
  }
  Status read_dtype(const toml::node& node, TensorSpec& spec) const {
    const std::string_view text = node.is_string() ? node.as_string()->get() : std::string_view();
    const auto* found = std::ranges::find(kNames, text, &Name::text);
    if (found == std::end(kNames)) {
      return wrong(node,
                   "dtype must be one of BOOL, UINT8 to UINT64, INT8 to INT64, FP16, BF16, FP32, "
                   "FP64");
    }
    spec.dtype = found->dtype;
    return {};
  }
  Status read_shape(const toml::node& node, TensorSpec& spec) const {
    const auto* list = node.as_array();
    std::vector<std::int64_t> dims;
    bool good = list && list->size() <= static_cast<std::size_t>(kMaxRank);
    for (std::size_t i = 0; good && i < list->size(); ++i) {
      const auto* dim = (*list)[i].as_integer();
      good = dim && dim->get() >= -1;
      if (good) dims.push_back(dim->get());
    }
    if (!good) {
      return wrong(node,
                   fmt::format("shape must be a list of at most {} sizes, -1 for any", kMaxRank));
    }
    spec.shape = Shape(dims);
    return {};
  }

  const std::string file_;
  const std::string table_;
};

Status read_from(const fs::path& file, DeclaredTensors& out) {
  std::error_code error;
  if (!fs::exists(file, error)) return {};
  const auto text = read_file(file, kMaxBytes);
  if (!text) return std::unexpected(text.error());
  const std::string name = file.filename().string();
  toml::table document;
  try {
    document = toml::parse(*text);
  } catch (const toml::parse_error& e) {
    return invalid(fmt::format("{}:{}: {}", name, e.source().begin.line, e.description()));
  }
  for (const auto& [key, specs] : {std::pair{"input", &out.inputs}, {"output", &out.outputs}}) {
    const toml::node* node = document.get(key);
    if (!node) continue;
    auto read = Reader(name, key).read(*node);
    if (!read) return pass(read);
    *specs = *std::move(read);
  }
  return {};
}

bool is_number(const std::string& name) {
  return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

Result<DeclaredTensors> read_declared_tensors(const fs::path& model_path) {
  std::error_code error;
  const bool is_folder = fs::is_directory(model_path, error);
  const fs::path folder = is_folder ? model_path : model_path.parent_path();
  std::vector<fs::path> files;
  if (is_number(folder.filename().string())) files.push_back(folder.parent_path() / "model.toml");
  files.push_back(folder / "model.toml");
  if (!is_folder) files.push_back(fs::path(model_path).replace_extension(".toml"));
  DeclaredTensors declared;
  for (const fs::path& file : files) {
    if (Status done = read_from(file, declared); !done) return pass(done);
  }
  return declared;
}

}  // namespace millrace::backends
