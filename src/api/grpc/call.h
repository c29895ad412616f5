// Call: one RPC as its handler sees it. Every method may be called from any thread, and does
// nothing once the call is over.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace millrace::api {

class Call {
 public:
  virtual ~Call() = default;
  virtual TimePoint deadline() const = 0;    // the client's; kNever without one
  virtual std::stop_token stop() const = 0;  // requested: the client left, or time is up
  virtual std::string metadata(const char* key) const = 0;  // of the request; empty: none

  // The answer, serialised; the call is over.
  virtual void answer(std::string message) = 0;
  // The call is over with the error's code and message.
  virtual void fail(const Error& error) = 0;

  // Streams: one of many answers. They are sent in this order.
  virtual void send(std::string message) = 0;
  // Streams: one of the client's messages has had its last answer. Calls it owes nothing end when
  // the client has sent its last.
  virtual void settle() = 0;
  // Calls it about twice a second until the call is over. At most once a call.
  virtual void every_tick(std::function<void()> look) = 0;
};

}  // namespace millrace::api
