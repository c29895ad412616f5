// Server: everything `serve` runs, started in order and stopped in reverse.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/result.h"
#include "serving/model_store.h"

namespace millrace::app {

class Server {
 public:
  explicit Server(const ServeConfig& config);
  ~Server();  // stop()

  // Scans the models, starts loading them and listens. Requests for a model that is still loading
  // are answered 503. Errors: no models there, a port that is taken.
  Status start();
  // Refuses new requests, lets running ones finish for `shutdown_timeout`, ends the rest.
  void stop();

  std::uint16_t port() const;
  std::uint16_t admin_port() const;
  std::uint16_t grpc_port() const;    // 0 where gRPC is not served
  std::int64_t memory_limit() const;  // of all models together, bytes
  serving::ModelStore& store();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace millrace::app
