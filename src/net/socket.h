// File descriptors and TCP sockets: owned, non-blocking, never raising SIGPIPE.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/result.h"

namespace millrace::net {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset();

 private:
  int fd_ = -1;
};

// The bytes of one connection, over TCP now and over TLS later. Calls never block: -1 with errno
// EAGAIN means not now. Not thread-safe.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  virtual ssize_t read(char* data, std::size_t size) = 0;  // 0: the peer will send no more
  virtual ssize_t write(const iovec* parts, std::size_t count) = 0;
  virtual void end_of_output() = 0;  // the peer sees the end after what was written
  virtual int fd() const = 0;
};

class TcpStream final : public ByteStream {
 public:
  explicit TcpStream(UniqueFd fd) : fd_(std::move(fd)) {}
  ssize_t read(char* data, std::size_t size) override;
  ssize_t write(const iovec* parts, std::size_t count) override;
  void end_of_output() override;
  int fd() const override { return fd_.get(); }

 private:
  UniqueFd fd_;
};

struct Listener {
  UniqueFd fd;
  std::uint16_t port = 0;
};
// Binds and listens on a numeric address or a host name; port 0 takes a free one.
Result<Listener> listen_tcp(const std::string& host, std::uint16_t port);

// A connected, non-blocking socket to the first address that answers. Looking the name up may take
// longer than the deadline.
Result<UniqueFd> connect_tcp(const std::string& host, std::uint16_t port, TimePoint deadline);
// Waits for poll() events and returns them; deadline_exceeded otherwise.
Result<short> wait_for_socket(int fd, short events, TimePoint deadline);

void set_no_delay(int fd);
// The next close() or shutdown() resets the connection and drops what is unsent.
void set_reset_on_close(int fd);

}  // namespace millrace::net
