// LoadClient: many HTTP/1.1 requests at once on one event loop, with a pool of kept-alive
// connections. Everything happens on the loop's thread.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "loadgen/request_record.h"
#include "net/event_loop.h"

namespace millrace::loadgen {

class ClientConnection;

// The address of a server that answered, looked up once.
struct PeerAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};
// Connects once to find it. unavailable: nobody listens there.
Result<PeerAddress> find_peer(const std::string& host, std::uint16_t port,
                              std::chrono::milliseconds timeout);

class LoadClient {
 public:
  using Done = std::function<void(RequestRecord&&)>;

  // Borrows the loop. `timeout_seconds` is that of one request, from when it is sent. `done` hears
  // of every request, successful or not, on the loop's thread and possibly within send().
  LoadClient(net::EventLoop& loop, const PeerAddress& peer, double timeout_seconds, Done done);
  ~LoadClient();
  LoadClient(const LoadClient&) = delete;
  LoadClient& operator=(const LoadClient&) = delete;

  // Times of records count from here.
  void set_origin(TimePoint origin) { origin_ = origin; }
  double now() const { return seconds_between(origin_, Clock::now()); }

  // Sends a formatted request; the record says what was scheduled and comes back through `done`.
  void send(std::string request, RequestRecord record);
  // Ends requests over their time-out. To be called now and then.
  void sweep();
  void abandon_all();  // closes every connection; `done` is not called

  std::size_t num_in_flight() const { return num_in_flight_; }
  std::uint64_t num_tokens() const { return num_tokens_; }  // pieces of text so far

 private:
  friend class ClientConnection;
  void send_afresh(std::string request, RequestRecord record);  // on a new connection
  void finished(ClientConnection& connection, RequestRecord&& record, bool reusable);
  void drop(ClientConnection& connection);

  net::EventLoop& loop_;
  PeerAddress peer_;
  double timeout_seconds_;
  Done done_;
  TimePoint origin_ = Clock::now();
  std::unordered_map<ClientConnection*, std::shared_ptr<ClientConnection>> connections_;
  std::vector<ClientConnection*> idle_;
  std::size_t num_in_flight_ = 0;
  std::uint64_t num_tokens_ = 0;
};

}  // namespace millrace::loadgen
