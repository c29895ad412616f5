// A SavedModel's signatures as graphs of the runtime's.
#pragma once

#include <filesystem>
#include <memory>
#include <openvino/openvino.hpp>
#include <optional>
#include <string>
#include <vector>

#include "backends/openvino/saved_model.h"
#include "base/result.h"
#include "servable/description.h"

namespace millrace::backends {

struct SignatureGraph {
  std::shared_ptr<ov::Model> model{};
  std::optional<ExamplesInput> examples{};  // where the file parses them
};

class SignatureGraphs {
 public:
  // Reads the folder's saved_model.pb. `wanted`: names, all where empty; not_found where one of
  // them is not there.
  static Result<SignatureGraphs> open(std::filesystem::path folder,
                                      const std::vector<std::string>& wanted);

  // The default first, if there is one. May be empty: then the file names no signature.
  const std::vector<Signature>& signatures() const { return signatures_; }
  // Cut out of the whole, inputs and outputs named as the signature has them; where it takes
  // serialised examples, behind the parser that reads them. Throws the runtime's exceptions.
  SignatureGraph graph(const Signature& signature) const;

 private:
  SignatureGraphs() = default;

  std::filesystem::path folder_;
  std::string file_;
  std::vector<Signature> signatures_;
};

}  // namespace millrace::backends
