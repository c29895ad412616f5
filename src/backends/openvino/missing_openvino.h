// Stands in for the OpenVINO backend in a build without it: knows the files, says what to do.
#pragma once

#include <memory>

#include "backends/openvino/graph_files.h"
#include "servable/servable.h"

namespace millrace::backends {

class MissingOpenvino final : public Backend {
 public:
  const char* name() const override { return "openvino"; }
  bool recognises(const ModelSpec& spec) const override {
    return find_graph_file(spec.path).has_value();
  }
  bool uses_kv_cache() const override { return false; }
  bool available() const override { return false; }
  Result<std::unique_ptr<Servable>> load(const ModelSpec&, LoadContext&) override {
    return fail(ErrorKind::unavailable,
                "this build has no OpenVINO, which runs graph models: run scripts/fetch-openvino, "
                "then build again");
  }
};

}  // namespace millrace::backends
