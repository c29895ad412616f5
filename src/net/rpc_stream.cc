#include "net/rpc_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/rpc_connection.h"
#include "net/rpc_fields.h"

namespace millrace::net {
namespace {

constexpr std::size_t kMinBytesPerSecond = std::size_t{64} << 10;

std::string prefix_of(std::size_t size) {
  std::string out(5, '\0');
  for (std::size_t i = 0; i < 4; ++i) out[4 - i] = static_cast<char>(size >> (8 * i));
  return out;
}

}  // namespace

RpcStream::RpcStream(std::shared_ptr<RpcConnection> connection, std::int32_t id, H2Head head,
                     TimePoint deadline, std::size_t max_message_bytes)
    : connection_(std::move(connection)),
      id_(id),
      head_(std::move(head)),
      deadline_(deadline),
      max_message_bytes_(max_message_bytes) {}

std::string_view RpcStream::metadata(std::string_view key) const {
  return head_.field(key);
}

void RpcStream::read() {
  auto lock = connection_->lock();
  wanted_ = true;
  deliver();
  connection_->changed(std::move(lock));
}

void RpcStream::write(std::string message) {
  auto lock = connection_->lock();
  if (finished_ || closed_) return;
  push(std::move(message));
  respond();
  connection_->changed(std::move(lock));
}

void RpcStream::finish(int code, std::string text) {
  auto lock = connection_->lock();
  if (closed_ || std::exchange(finished_, true)) return;
  code_ = code;
  text_ = std::move(text);
  stop_reading();
  respond();
  connection_->changed(std::move(lock));
}

void RpcStream::answer(std::string message) {
  auto lock = connection_->lock();
  if (closed_ || std::exchange(finished_, true)) return;
  push(std::move(message));
  stop_reading();
  respond();
  connection_->changed(std::move(lock));
}

// What is there, or will be, goes out.
void RpcStream::respond() {
  connection_->answering();
  if (std::exchange(responded_, true)) return connection_->session().resume(id_);
  std::vector<H2Field> head{{":status", "200"},
                            {"content-type", "application/grpc"},
                            {"grpc-accept-encoding", "identity"}};
  const bool has_body = unsent_ > 0;
  if (!has_body) std::ranges::move(trailers(), std::back_inserter(head));
  connection_->session().respond(id_, head, has_body);
}

std::vector<H2Field> RpcStream::trailers() {
  std::vector<H2Field> out{{"grpc-status", std::to_string(code_)}};
  if (!text_.empty()) out.push_back({"grpc-message", encode_rpc_message(text_)});
  return out;
}

void RpcStream::push(std::string message) {
  if (unsent_ == 0) moved_ = Clock::now();
  unsent_ += kPrefixBytes + message.size();
  pieces_.push_back(prefix_of(message.size()));
  if (!message.empty()) pieces_.push_back(std::move(message));
}

void RpcStream::take(std::string& out, std::size_t count) {
  unsent_ -= count;
  moved_ = Clock::now();
  while (count > 0) {
    const std::string& first = pieces_.front();
    const std::size_t step = std::min(count, first.size() - offset_);
    out.append(first, offset_, step);
    offset_ += step;
    count -= step;
    if (offset_ == first.size()) {
      pieces_.pop_front();
      offset_ = 0;
    }
  }
  connection_->answering();
  deliver();
}

bool RpcStream::stalled(TimePoint now, Clock::duration most) const {
  return unsent_ > 0 && now - moved_ > most + std::chrono::seconds(unsent_ / kMinBytesPerSecond);
}

void RpcStream::on_data(std::string_view bytes) {
  if (backlog_.empty()) return feed(bytes);
  backlog_.append(bytes);  // a client's window at most
}

void RpcStream::feed(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && !whole_ && !refused_) taken += accept(bytes.substr(taken));
  if (refused_) taken = bytes.size();
  backlog_.assign(bytes.substr(taken));
  connection_->session().consume(id_, taken);
  deliver();
}

// Takes what belongs to one message.
std::size_t RpcStream::accept(std::string_view bytes) {
  if (num_prefix_ < kPrefixBytes) {
    const std::size_t step = std::min(bytes.size(), kPrefixBytes - num_prefix_);
    std::memcpy(prefix_.data() + num_prefix_, bytes.data(), step);
    num_prefix_ += step;
    if (num_prefix_ == kPrefixBytes) begin_message();
    return step;
  }
  const std::size_t step = std::min(bytes.size(), message_bytes_ - message_.size());
  message_.append(bytes.substr(0, step));
  if (message_.size() == message_bytes_) {
    whole_ = std::exchange(message_, {});
    num_prefix_ = 0;
  }
  return step;
}

void RpcStream::begin_message() {
  message_bytes_ = 0;
  for (std::size_t i = 1; i < kPrefixBytes; ++i) {
    message_bytes_ = message_bytes_ << 8 | static_cast<unsigned char>(prefix_[i]);
  }
  if (prefix_[0] != 0) {
    return refuse(kRpcUnimplemented,
                  "Compressed messages are not taken; send them as they are (grpc-encoding: "
                  "identity).");
  }
  if (message_bytes_ > max_message_bytes_) {
    return refuse(kRpcResourceExhausted,
                  fmt::format("The message has {} bytes; this method takes at most {}.",
                              message_bytes_, max_message_bytes_));
  }
  if (message_bytes_ == 0) {
    whole_.emplace();
    num_prefix_ = 0;
    return;
  }
  message_.reserve(message_bytes_);
}

void RpcStream::refuse(int code, std::string text) {
  refused_ = true;
  connection_->tell({RpcEvent::Kind::bad_message, shared_from_this(), std::move(text), code});
}

void RpcStream::deliver() {
  const bool room = unsent_ < connection_->core().options.limits.max_unsent_bytes;
  if (!wanted_ || !room || finished_ || closed_) return;
  if (whole_) {
    wanted_ = false;
    connection_->tell(
        {RpcEvent::Kind::message, shared_from_this(), std::move(*std::exchange(whole_, {}))});
    const std::string next = std::exchange(backlog_, {});
    if (!next.empty()) feed(next);
  } else if (read_all_ && backlog_.empty() && !std::exchange(told_, true)) {
    wanted_ = false;
    connection_->tell({RpcEvent::Kind::end, shared_from_this()});
  }
}

// Nobody will ask for what came, nor for what still comes.
void RpcStream::stop_reading() {
  refused_ = true;
  connection_->session().consume(id_, backlog_.size());
  std::string().swap(backlog_);
  std::string().swap(message_);
  whole_.reset();
}

void RpcStream::on_end() {
  read_all_ = true;
  deliver();
}

void RpcStream::on_close() {
  if (std::exchange(closed_, true)) return;
  const auto self = shared_from_this();
  if (!finished_) connection_->tell({RpcEvent::Kind::cancel, self});
  connection_->tell({RpcEvent::Kind::closed, self});
  connection_->forget(id_);
}

}  // namespace millrace::net
