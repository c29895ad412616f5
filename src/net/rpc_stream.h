// RpcStream: one call on its connection: cuts what comes into messages, keeps what goes out until
// the client's window has room. Its state belongs to the connection's mutex.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/h2_session.h"
#include "net/rpc.h"

namespace millrace::net {

class RpcConnection;

class RpcStream final : public Rpc,
                        public H2Stream,
                        public std::enable_shared_from_this<RpcStream> {
 public:
  RpcStream(std::shared_ptr<RpcConnection> connection, std::int32_t id, H2Head head,
            TimePoint deadline, std::size_t max_message_bytes);

  std::string_view path() const override { return head_.path; }
  std::string_view metadata(std::string_view key) const override;
  TimePoint deadline() const override { return deadline_; }
  void read() override;
  void write(std::string message) override;
  void finish(int code, std::string text) override;
  void answer(std::string message) override;

  // The connection's lock held.
  void on_data(std::string_view bytes) override;
  void on_end() override;
  void on_close() override;
  std::size_t ready() const override { return unsent_; }
  bool complete() const override { return finished_; }
  void take(std::string& out, std::size_t count) override;
  std::vector<H2Field> trailers() override;

  // The connection's lock held: the client has taken nothing of what waits for so long.
  bool stalled(TimePoint now, Clock::duration most) const;
  bool closed() const { return closed_; }
  void set_handler(std::shared_ptr<RpcHandler> handler) { handler_ = std::move(handler); }
  std::shared_ptr<RpcHandler> handler() const { return handler_; }
  std::shared_ptr<RpcHandler> take_handler() { return std::move(handler_); }

 private:
  static constexpr std::size_t kPrefixBytes = 5;  // compressed or not, length

  void feed(std::string_view bytes);
  std::size_t accept(std::string_view bytes);
  void begin_message();
  void refuse(int code, std::string text);
  void deliver();
  void push(std::string message);
  void respond();
  void stop_reading();

  const std::shared_ptr<RpcConnection> connection_;
  const std::int32_t id_;
  const H2Head head_;
  const TimePoint deadline_;
  const std::size_t max_message_bytes_;
  std::shared_ptr<RpcHandler> handler_;

  // In
  std::array<char, kPrefixBytes> prefix_{};
  std::size_t num_prefix_ = 0;
  std::size_t message_bytes_ = 0;        // of the message that is coming
  std::string message_;                  // as far as it came
  std::optional<std::string> whole_;     // one that nobody has asked for yet
  std::string backlog_;                  // what came after it, still counted against the client
  bool wanted_ = false;                  // a message, or the end
  bool read_all_ = false;                // the client sends no more
  bool refused_ = false, told_ = false;  // nothing more is read; the end was told

  // Out
  std::deque<std::string> pieces_;  // prefixes and messages
  std::size_t offset_ = 0;          // of the first, sent
  std::size_t unsent_ = 0;
  TimePoint moved_ = Clock::now();  // bytes last left, or began to wait
  bool responded_ = false;          // the head is on its way
  bool finished_ = false, closed_ = false;
  int code_ = 0;
  std::string text_;
};

}  // namespace millrace::net
