#include "app/config.h"

#include <cstdlib>
#include <filesystem>

#include "base/file.h"

namespace millrace::app {
namespace {

constexpr std::int64_t kMaxPort = 65'535;
constexpr std::int64_t kMaxConfigBytes = 1 << 20;

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

void declare_model_settings(Settings& settings, ServeConfig& config) {
  settings.bytes("memory-limit", config.memory_limit,
                 "Weights and KV caches of all models together.");
  settings.bytes("kv-cache-memory", config.kv_cache_memory, "KV caches of all models together.");
  settings.integer("max-model-len", config.max_model_len, 0, 1 << 24,
                   "Tokens of prompt and answer; 0: the model's own.");
  settings.integer("max-num-seqs", config.max_num_seqs, 0, 65'536,
                   "Sequences that one step runs at most.");
  settings.integer("max-num-batched-tokens", config.max_num_batched_tokens, 0, 1 << 20,
                   "Tokens that one step computes at most.");
  settings.flag("enable-prefix-caching", config.enable_prefix_caching,
                "Reuse the KV blocks of equal prompt starts.");
  settings.integer("threads", config.threads, 0, 1024, "Compute threads; 0: one a core.");
  settings.text("cpu-isa", config.cpu_isa, "NAME",
                "Kernel table: auto, reference, avx2, avx512, amx, neon.");
  settings.choice("precision", config.precision, {"exact", "default", "fast"},
                  "How activations may be rounded.");
  settings.choice("kv-cache-dtype", config.kv_cache_dtype, {"auto", "f32", "bf16", "int8"},
                  "How keys and values are kept.");
  settings.choice("quantization", config.quantization,
                  {"none", "bf16", "int8", "int4", "int4-g32", "int4-g64", "int4-g128"},
                  "What float weights are turned into at load.");
  settings.choice("log-level", config.log_level, {"debug", "info", "warn", "error"},
                  "How much to say.");
}

void declare_settings(Settings& settings, ServeConfig& config) {
  settings.text("host", config.host, "ADDRESS", "Address to listen on.");
  settings.integer("port", config.port, 0, kMaxPort, "HTTP: REST and web UI; 0 takes a free one.");
  settings.integer("grpc-port", config.grpc_port, 0, kMaxPort,
                   "gRPC: KServe v2 and TensorFlow Serving; 0 takes a free one.");
  settings.flag("enable-grpc", config.enable_grpc, "Serve the gRPC port.");
  settings.flag("enable-shared-memory", config.enable_shared_memory,
                "Let clients pass tensors through shared memory of this machine.");
  settings.integer("admin-port", config.admin_port, 0, kMaxPort, "Metrics and administration.");
  settings.text("port-file", config.port_file, "FILE",
                "Write the ports in use here, as JSON, once listening.");
  settings.flag("insecure", config.insecure, "Allow an address that other machines can reach.");
  settings.integer("max-num-queued-reqs", config.max_num_queued_reqs, 0, 1 << 20,
                   "Waiting requests a model; 0: 4 × max-num-seqs, at least 64.");
  settings.integer("max-concurrent-requests", config.max_concurrent_requests, 1, 1 << 20,
                   "Requests in the server at once.");
  settings.integer("io-threads", config.io_threads, 1, 64, "Threads that move bytes.");
  settings.integer("worker-threads", config.worker_threads, 0, 256,
                   "Threads that parse and format; 0: one a core.");
  settings.integer("trace-every", config.trace_every, 0, 1 << 30,
                   "Record the spans of one request in N; 0: only of those that ask.");
  settings.integer("shutdown-timeout", config.shutdown_timeout, 0, 3600,
                   "Seconds that running requests get at the end.");
  settings.choice("model-control-mode", config.model_control_mode, {"none", "poll", "explicit"},
                  "Who decides what is loaded: all at start, the folder as it changes, clients.");
  settings.integer("repository-poll-secs", config.repository_poll_secs, 1, 86'400,
                   "Seconds between two looks at the models folder (poll).");
  settings.list("load-model", config.load_model, "NAMES",
                "Models to load at start, with commas between; * is all (explicit).");
  declare_model_settings(settings, config);
}

Status apply_file_and_environment(Settings& settings, const std::string& config_file) {
  const std::string file = config_file.empty() ? "millrace.toml" : config_file;
  if (!config_file.empty() || std::filesystem::exists(file)) {
    auto text = read_file(file, kMaxConfigBytes);
    if (!text) return pass(text);
    if (Status done = settings.apply_toml(*text, std::filesystem::path(file).filename().string());
        !done)
      return done;
  }
  return settings.apply_environment(
      [](const char* name) -> const char* { return std::getenv(name); });
}

Status check_config(const ServeConfig& config) {
  if (!is_loopback(config.host) && !config.insecure) {
    return invalid("--host " + config.host +
                       " can be reached by other machines, and there is no key or TLS yet; "
                       "listen on 127.0.0.1, or add --insecure if the network is trusted",
                   "host");
  }
  if (!config.load_model.empty() && config.model_control_mode != "explicit") {
    return invalid("--load-model needs --model-control-mode explicit: otherwise all are loaded",
                   "load-model");
  }
  return {};
}

}  // namespace millrace::app
