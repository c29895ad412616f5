#include "backends/openvino/signature_graphs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <openvino/frontend/manager.hpp>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "backends/openvino/ov_examples.h"
#include "backends/openvino/ov_tf_ops.h"
#include "base/file.h"

namespace millrace::backends {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{2} << 30;  // protocol buffers' own limit

// By TensorFlow's DataType.
std::optional<ov::element::Type> element_type(int type) {
  switch (type) {
    case 1:
      return ov::element::f32;
    case 2:
      return ov::element::f64;
    case 3:
      return ov::element::i32;
    case 4:
      return ov::element::u8;
    case 5:
      return ov::element::i16;
    case 6:
      return ov::element::i8;
    case 7:
      return ov::element::string;
    case 9:
      return ov::element::i64;
    case 10:
      return ov::element::boolean;
    case 14:
      return ov::element::bf16;
    case 17:
      return ov::element::u16;
    case 19:
      return ov::element::f16;
    case 22:
      return ov::element::u32;
    case 23:
      return ov::element::u64;
    default:
      return std::nullopt;
  }
}

ov::PartialShape shape_of(const std::vector<std::int64_t>& dims) {
  return {std::vector<ov::Dimension>(dims.begin(), dims.end())};
}

// The SavedModel with one signature, as a folder that goes when this does. The runtime names (and
// keeps) inputs and outputs by the default signature alone.
class OneSignature {
 public:
  OneSignature(const fs::path& folder, std::string_view file, const Signature& signature) {
    std::string pattern = (fs::temp_directory_path() / "millrace-signature-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) {
      throw std::system_error(errno, std::generic_category(), "a folder for temporary files");
    }
    path_ = pattern;
    fs::create_directory_symlink(fs::absolute(folder) / "variables", path_ / "variables");
    std::ofstream out(path_ / "saved_model.pb", std::ios::binary);
    out << with_only(file, signature);
    out.close();
    if (!out) throw std::runtime_error("the folder for temporary files is full");
  }
  ~OneSignature() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  OneSignature(const OneSignature&) = delete;
  OneSignature& operator=(const OneSignature&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

using Places = std::vector<ov::frontend::Place::Ptr>;

Places places_of(const ov::frontend::InputModel& model,
                 const std::vector<SignatureTensor>& tensors) {
  Places places;
  for (const SignatureTensor& tensor : tensors) {
    places.push_back(model.get_place_by_tensor_name(tensor.tensor));
    if (places.back()) continue;
    throw std::runtime_error(fmt::format("the graph has no tensor '{}' for '{}'",
                                         tensor.tensor.substr(0, 64), tensor.name.substr(0, 64)));
  }
  return places;
}

ExamplesInput read_examples(ov::Model& graph, const Signature& signature) {
  const SignatureTensor& serialised = signature.inputs[0];
  ExamplesInput examples;
  const bool is_list = serialised.dims && serialised.dims->size() == 1;
  examples.input = {.name = serialised.name, .dtype = DType::bytes, .any_rank = !is_list};
  if (is_list) examples.input.shape = Shape(*serialised.dims);
  examples.features = enter_behind_parser(graph, *signature.parser);
  return examples;
}

SignatureGraph convert(const fs::path& folder, const Signature& signature) {
  const ov::frontend::FrontEnd::Ptr frontend =
      ov::frontend::FrontEndManager().load_by_framework("tf");
  if (!frontend) throw std::runtime_error("the runtime has no reader of TensorFlow's files");
  if (signature.parser) teach_examples(*frontend);
  teach_tf_ops(*frontend);
  // false: not mapped, a file that shrinks must not end the process.
  const auto model = frontend->load(folder.string(), false);
  const Places inputs = places_of(*model, signature.inputs);
  model->extract_subgraph(inputs, places_of(*model, signature.outputs));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const SignatureTensor& tensor = signature.inputs[i];
    if (tensor.dims) model->set_partial_shape(inputs[i], shape_of(*tensor.dims));
    if (const auto type = element_type(tensor.type)) model->set_element_type(inputs[i], *type);
  }
  std::shared_ptr<ov::Model> graph = frontend->convert(model);
  if (graph->inputs().size() != inputs.size() || graph->outputs().empty()) {
    throw std::runtime_error("an input or output of the signature is not in the graph");
  }
  if (!signature.parser) return {.model = std::move(graph)};
  auto examples = read_examples(*graph, signature);
  return {.model = std::move(graph), .examples = std::move(examples)};
}

}  // namespace

Result<SignatureGraphs> SignatureGraphs::open(fs::path folder,
                                              const std::vector<std::string>& wanted) {
  SignatureGraphs graphs;
  auto file = read_file(folder / "saved_model.pb", kMaxFileBytes);
  if (!file) return pass(file);
  auto signatures = read_signatures(*file);
  if (!signatures) return pass(signatures);
  for (const std::string& name : wanted) {
    if (std::ranges::find(*signatures, name, &Signature::name) != signatures->end()) continue;
    std::string names;
    for (const Signature& s : *signatures) names += (names.empty() ? "'" : ", '") + s.name + "'";
    return fail(ErrorKind::not_found, fmt::format("the SavedModel has no signature '{}'; it has {}",
                                                  name, names.empty() ? "none" : names));
  }
  if (!wanted.empty()) {
    std::erase_if(*signatures, [&](const Signature& s) {
      return std::ranges::find(wanted, s.name) == wanted.end();
    });
  }
  graphs.folder_ = std::move(folder);
  graphs.file_ = *std::move(file);
  graphs.signatures_ = *std::move(signatures);
  return graphs;
}

SignatureGraph SignatureGraphs::graph(const Signature& signature) const {
  if (signature.name == kDefaultSignature) return convert(folder_, signature);
  return convert(OneSignature(folder_, file_, signature).path(), signature);
}

}  // namespace millrace::backends
