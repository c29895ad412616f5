// ClientConnection: one socket of the load client, one request at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "loadgen/answer_reader.h"
#include "loadgen/load_client.h"
#include "net/event_loop.h"
#include "net/response_parser.h"
#include "net/socket.h"

namespace millrace::loadgen {

class ClientConnection final : public net::EventLoop::Watcher {
 public:
  explicit ClientConnection(LoadClient& client) : client_(client) {}

  // Begins to connect; errno where that fails at once.
  int open(const PeerAddress& peer);
  void begin(std::string request, RequestRecord record);
  void on_events(std::uint32_t events) override;
  void time_out(double now, double timeout_seconds);
  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }

 private:
  struct Exchange {
    Exchange(std::string bytes, RequestRecord&& first);
    std::string request;
    std::size_t num_sent = 0;
    RequestRecord record;
    net::ResponseParser parser;
    AnswerReader reader;
    bool begun = false;  // the head of the answer has come
    bool any_bytes = false;
  };

  void watch(std::uint32_t events);
  void write_some();
  void read_some();
  void take(std::string_view bytes);
  void lost(Failure failure, int error);
  void end_of_input();
  void complete(bool reusable);

  LoadClient& client_;
  net::UniqueFd fd_;
  std::optional<Exchange> exchange_;
  std::uint32_t watched_ = 0;  // EPOLL* bits last asked for; 0: those of the beginning
  bool connected_ = false;
  bool used_before_ = false;
};

}  // namespace millrace::loadgen
