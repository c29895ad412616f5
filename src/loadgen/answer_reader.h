// AnswerReader: the body of one answer, streamed or whole, read as it comes: when each piece of
// text arrived, what the server counted, how it ended.
#pragma once

#include <string>
#include <string_view>

#include "loadgen/request_record.h"
#include "net/sse.h"

namespace millrace::loadgen {

class AnswerReader {
 public:
  // Writes into `record`, which outlives this.
  explicit AnswerReader(RequestRecord& record) : record_(record) {}

  // Once, when the head has come. Answers other than 2xx, and those that are not event streams, are
  // kept (64 KiB at most are looked at) and read at the end.
  void begin(int status, std::string_view content_type);
  // Decoded body bytes that arrived at `now`. False: what follows does not matter.
  bool feed(std::string_view bytes, double now);
  // The body is whole. Sets record.failure.
  void end(double now);
  bool done() const { return done_; }  // "[DONE]" was seen

 private:
  bool take_event(std::string_view data, double now);
  void read_whole(double now);
  void read_error();
  void fail(Failure failure, std::string text);

  RequestRecord& record_;
  net::SseParser events_{std::size_t{1} << 20};
  std::string whole_;
  bool streams_ = false;
  bool finish_reason_ = false;
  bool done_ = false;
};

}  // namespace millrace::loadgen
