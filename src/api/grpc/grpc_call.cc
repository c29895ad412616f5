#include "api/grpc/grpc_call.h"

#include <utility>

#include "api/errors.h"

namespace millrace::api {
namespace {

constexpr std::chrono::seconds kRequestTime{120};  // for a request to arrive whole

}  // namespace

bool LiveCalls::add(std::shared_ptr<GrpcCall> call) {
  std::lock_guard lock(mutex_);
  if (closed_ || calls_.size() >= most_) return false;
  const GrpcCall* key = call.get();
  calls_.emplace(key, std::move(call));
  return true;
}

void LiveCalls::remove(const GrpcCall* call) {
  std::shared_ptr<GrpcCall> last;  // destroyed outside the lock
  std::lock_guard lock(mutex_);
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  last = std::move(found->second);
  calls_.erase(found);
}

std::vector<std::shared_ptr<GrpcCall>> LiveCalls::all() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<GrpcCall>> out;
  out.reserve(calls_.size());
  for (const auto& [key, call] : calls_) out.push_back(call);
  return out;
}

void LiveCalls::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
}

GrpcCall::GrpcCall(const Method& method, std::shared_ptr<net::Rpc> rpc, const GrpcShared& shared)
    : method_(method), rpc_(std::move(rpc)), shared_(shared) {}

void GrpcCall::begin() {
  std::lock_guard lock(mutex_);
  read_next();
}

void GrpcCall::read_next() {
  const bool wanted = !received_ || method_.kind == Method::Kind::stream;
  if (reading_ || read_all_ || finished_ || !wanted || owed_ >= kMaxOwed) return;
  reading_ = true;
  rpc_->read();
}

// Hands one message to its handler.
void GrpcCall::on_message(std::string bytes) {
  Message message(std::move(bytes));
  {
    std::lock_guard lock(mutex_);
    if (finished_) return;
    reading_ = false;
    received_ = true;
    ++owed_;
    read_next();
  }
  if (message.size() <= method_.most_in_place) {
    return method_.handle(shared_.context, shared_from_this(), std::move(message));
  }
  auto kept = std::make_shared<Message>(std::move(message));
  shared_.workers.post([self = shared_from_this(), kept = std::move(kept)] {
    self->method_.handle(self->shared_.context, self, std::move(*kept));
  });
}

void GrpcCall::on_bad_message(int code, std::string why) {
  finish(code, std::move(why));
}

void GrpcCall::on_end() {
  bool settled = false, empty = false;
  {
    std::lock_guard lock(mutex_);
    reading_ = false;
    read_all_ = true;
    empty = !received_ && method_.kind != Method::Kind::stream;
    settled = is_settled();
  }
  if (empty) return finish(net::kRpcInvalidArgument, "The call ended before its request came.");
  if (settled) finish(net::kRpcOk, {});
}

void GrpcCall::on_cancel() {
  stop_.request_stop();
  leave(net::kRpcCancelled);
}

// The call has a status: nothing is held for it, and it counts. False: it had one.
bool GrpcCall::leave(int code) {
  const auto self = shared_from_this();
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return false;
    look_.reset();
  }
  shared_.metrics.observe(method_.path, code, seconds_between(began_, Clock::now()));
  shared_.live.remove(this);
  return true;
}

void GrpcCall::answer(std::string message) {
  if (leave(net::kRpcOk)) rpc_->answer(std::move(message));
}

void GrpcCall::fail(const Error& error) {
  finish(grpc_code(error), error.message);
}

void GrpcCall::finish(int code, std::string message) {
  if (leave(code)) rpc_->finish(code, std::move(message));
}

void GrpcCall::send(std::string message) {
  rpc_->write(std::move(message));
}

void GrpcCall::settle() {
  {
    std::lock_guard lock(mutex_);
    --owed_;
    read_next();
    if (!is_settled()) return;
  }
  finish(net::kRpcOk, {});
}

bool GrpcCall::is_settled() const {
  return read_all_ && owed_ == 0 && method_.kind == Method::Kind::stream;
}

void GrpcCall::end_if_idle() {
  {
    std::lock_guard lock(mutex_);
    if (method_.kind != Method::Kind::server_stream && owed_ > 0) return;
  }
  finish(net::kRpcUnavailable, "The server is shutting down; call again.");
}

void GrpcCall::every_tick(std::function<void()> look) {
  std::lock_guard lock(mutex_);
  look_ = std::make_shared<std::function<void()>>(std::move(look));
}

void GrpcCall::tick(TimePoint now) {
  std::shared_ptr<std::function<void()>> look;
  bool silent = false;
  {
    std::lock_guard lock(mutex_);
    silent = !received_ && method_.kind != Method::Kind::stream && now - began_ > kRequestTime;
    look = look_;
  }
  if (now >= deadline()) {
    stop_.request_stop();
    return finish(net::kRpcDeadlineExceeded, "The call's time is over.");
  }
  if (silent) return finish(net::kRpcDeadlineExceeded, "The call's request did not come.");
  if (look) (*look)();
}

}  // namespace millrace::api
