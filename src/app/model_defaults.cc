#include "app/model_defaults.h"

namespace millrace::app {

ModelSpec model_defaults(const ServeConfig& config) {
  ModelSpec spec;
  spec.cpu_isa = config.cpu_isa;
  spec.precision = config.precision;
  spec.kv_cache_dtype = config.kv_cache_dtype;
  spec.quantization = config.quantization;
  spec.max_model_len = static_cast<int>(config.max_model_len);
  spec.max_num_seqs = static_cast<int>(config.max_num_seqs);
  spec.max_num_batched_tokens = static_cast<int>(config.max_num_batched_tokens);
  spec.max_num_queued = static_cast<int>(config.max_num_queued_reqs);
  spec.num_threads = static_cast<int>(config.threads);
  spec.enable_prefix_caching = config.enable_prefix_caching;
  return spec;
}

}  // namespace millrace::app
