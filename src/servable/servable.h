// THE CONTRACT between those who ask (serving, api) and those who compute (backends, engine). Both
// sides include only this folder. All calls are thread-safe. A new ability is a new capability,
// never a flag.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/channel.h"
#include "base/metrics.h"
#include "base/result.h"
#include "servable/description.h"
#include "servable/requests.h"
#include "servable/tensor_model.h"

namespace millrace {

using TokenChannel = Channel<TokenEvent>;

// Autoregressive generation; tokens in, tokens out.
class Generator {
 public:
  virtual ~Generator() = default;
  // Queues the request or refuses it at once (too long, queue full, deadline cannot be met). Tokens
  // come on the caller's channel; the last event carries a finish reason, then the channel is
  // closed. Closing it from the caller's side cancels: the sequence's blocks are free at the next
  // step. Never blocks.
  virtual Status submit(GenerateRequest request, std::shared_ptr<TokenChannel> reply) = 0;
  virtual GeneratorStats stats() const = 0;
};

// Ragged batches of token sequences to vectors (encoders).
class Embedder {
 public:
  virtual ~Embedder() = default;
  virtual Result<EmbedResult> embed(const EmbedBatch& batch) = 0;
};

// A loaded model. Unloads in its destructor, which waits for nothing but its own threads: requests
// still running end with `unavailable`.
class Servable {
 public:
  virtual ~Servable() = default;
  virtual const ModelDescription& describe() const = 0;
  virtual const TextAssets& text_assets() const = 0;  // empty for models without text
  virtual Generator* generator() { return nullptr; }
  virtual Embedder* embedder() { return nullptr; }
  virtual TensorModel* tensor_model() { return nullptr; }
  // Models of the same files under names of their own (ModelDescription::signature): given away
  // once.
  virtual std::vector<std::unique_ptr<Servable>> take_signatures() { return {}; }
};

// What loading may use and must report to.
struct LoadContext {
  Metrics& metrics;
  // 0..1 with a word for people ("packing weights"); may be empty; called from the loading thread.
  std::function<void(double done, const std::string& what)> progress;
};

// Turns a model folder or file into a Servable. One instance a process and kind.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual const char* name() const = 0;                      // "native", "sim", …
  virtual bool recognises(const ModelSpec& spec) const = 0;  // looks at file names only
  virtual bool uses_kv_cache() const { return true; }        // its models share the KV memory
  // False: this build lacks it, and load() says what to do.
  virtual bool available() const { return true; }
  virtual Result<std::unique_ptr<Servable>> load(const ModelSpec& spec, LoadContext& context) = 0;
};

}  // namespace millrace
