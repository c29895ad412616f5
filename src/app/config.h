// What `serve` and `run` can be told. Each setting is declared once, in declare_settings.
#pragma once

#include <cstdint>
#include <string>

#include "base/settings.h"

namespace millrace::app {

struct ServeConfig {
  std::string models_dir = "models";
  std::string host = "127.0.0.1";
  std::int64_t port = 8000;
  std::int64_t grpc_port = 8001;
  std::int64_t admin_port = 8002;
  bool enable_grpc = true;
  bool enable_shared_memory = false;
  std::string port_file;
  bool insecure = false;
  std::string log_level = "info";
  std::int64_t trace_every = 16;

  std::int64_t memory_limit = 0;
  std::int64_t kv_cache_memory = 0;
  std::int64_t max_model_len = 0;
  std::int64_t max_num_seqs = 0;
  std::int64_t max_num_batched_tokens = 0;
  std::int64_t max_num_queued_reqs = 0;
  std::int64_t max_concurrent_requests = 10'000;
  bool enable_prefix_caching = true;

  std::int64_t threads = 0;
  std::int64_t io_threads = 1;
  std::int64_t worker_threads = 0;
  std::string cpu_isa = "auto";
  std::string precision = "default";
  std::string kv_cache_dtype = "auto";
  std::string quantization = "none";
  std::int64_t shutdown_timeout = 25;

  std::string model_control_mode = "none";
  std::int64_t repository_poll_secs = 15;
  std::string load_model;
};

// Binds every setting to `config`, which must outlive `settings`.
void declare_settings(Settings& settings, ServeConfig& config);

// The settings that concern a model alone: what `run` shares with `serve`.
void declare_model_settings(Settings& settings, ServeConfig& config);

// File (millrace.toml here, or `config_file` when given, which must then exist), then environment.
Status apply_file_and_environment(Settings& settings, const std::string& config_file);

// Refuses what is unsafe: an address that others can reach, without --insecure.
Status check_config(const ServeConfig& config);

}  // namespace millrace::app
