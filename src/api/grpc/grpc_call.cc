#include "api/grpc/grpc_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/errors.h"

namespace millrace::api {
namespace {

using std::chrono::seconds;

constexpr seconds kRequestTime{120};  // for a request to arrive whole
constexpr seconds kWriteTime{30};     // for an answer to be taken, and
constexpr std::size_t kMinBytesPerSecond = 64 << 10;

// gRPC has deadlines on the wall clock.
TimePoint deadline_of(const grpc::CallbackServerContext& about) {
  const auto deadline = about.deadline();
  const auto now = std::chrono::system_clock::now();
  if (deadline - now > std::chrono::hours(24 * 365)) return kNever;
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(deadline - now);
}

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

GrpcCall::GrpcCall(const Method& method, grpc::CallbackServerContext& about,
                   const GrpcShared& shared)
    : method_(method), shared_(shared), deadline_(deadline_of(about)), about_(&about) {}

void GrpcCall::begin() {
  std::lock_guard lock(mutex_);
  read_next();
}

std::string GrpcCall::metadata(const char* key) const {
  std::lock_guard lock(mutex_);
  if (!about_) return {};
  const auto& all = about_->client_metadata();
  const auto found = all.find(key);
  return found == all.end() ? std::string()
                            : std::string(found->second.data(), found->second.size());
}

void GrpcCall::read_next() {
  const bool room = owed_ < kMaxOwed && unsent_bytes_ < kMaxUnsentBytes;
  const bool wanted = !received_ || method_.kind == Method::Kind::stream;
  if (reading_ || read_all_ || finished_ || !room || !wanted) return;
  reading_ = true;
  StartRead(&incoming_);
}

void GrpcCall::OnReadDone(bool ok) {
  std::unique_lock lock(mutex_);
  reading_ = false;
  if (finished_) return;
  if (ok) return take(std::move(lock));
  read_all_ = true;
  if (received_ || method_.kind == Method::Kind::stream) return end_if_settled();
  finish(grpc::StatusCode::INVALID_ARGUMENT, "The call ended before its request came.");
}

// Hands one message to its handler.
void GrpcCall::take(std::unique_lock<std::mutex> lock) {
  received_ = true;
  Message message(std::exchange(incoming_, {}));
  if (message.size() > method_.max_bytes) {
    return finish(grpc::StatusCode::RESOURCE_EXHAUSTED,
                  fmt::format("The message has {} bytes; this method takes at most {}.",
                              message.size(), method_.max_bytes));
  }
  ++owed_;
  read_next();
  lock.unlock();
  if (message.size() <= method_.most_in_place) {
    return method_.handle(shared_.context, shared_from_this(), std::move(message));
  }
  auto kept = std::make_shared<Message>(std::move(message));
  shared_.workers.post([self = shared_from_this(), kept = std::move(kept)] {
    self->method_.handle(self->shared_.context, self, std::move(*kept));
  });
}

void GrpcCall::answer(std::string message) {
  std::lock_guard lock(mutex_);
  if (std::exchange(finished_, true)) return;
  outgoing_bytes_ = message.size();
  outgoing_ = to_byte_buffer(std::move(message));
  write_began_ = Clock::now();
  StartWriteAndFinish(&outgoing_, grpc::WriteOptions(), grpc::Status::OK);
}

void GrpcCall::fail(const Error& error) {
  std::lock_guard lock(mutex_);
  finish(grpc_code(error), error.message);
}

void GrpcCall::finish(int code, const std::string& message) {
  if (std::exchange(finished_, true)) return;
  code_ = code;
  write_began_ = Clock::now();
  Finish(grpc::Status(static_cast<grpc::StatusCode>(code), message));
}

void GrpcCall::send(std::string message) {
  std::lock_guard lock(mutex_);
  if (finished_) return;
  unsent_bytes_ += message.size();
  unsent_.push_back(std::move(message));
  write_next();
}

void GrpcCall::write_next() {
  if (writing_ || finished_ || unsent_.empty()) return;
  outgoing_bytes_ = unsent_.front().size();
  outgoing_ = to_byte_buffer(std::move(unsent_.front()));
  unsent_.pop_front();
  writing_ = true;
  write_began_ = Clock::now();
  StartWrite(&outgoing_);
}

void GrpcCall::OnWriteDone(bool ok) {
  std::lock_guard lock(mutex_);
  writing_ = false;
  unsent_bytes_ -= outgoing_bytes_;
  outgoing_.Clear();
  if (!ok) return finish(grpc::StatusCode::CANCELLED, "The client is gone.");
  write_next();
  read_next();
  end_if_settled();
}

void GrpcCall::settle() {
  std::lock_guard lock(mutex_);
  --owed_;
  read_next();
  end_if_settled();
}

void GrpcCall::end_if_settled() {
  const bool settled = read_all_ && owed_ == 0 && unsent_.empty() && !writing_;
  if (settled && method_.kind == Method::Kind::stream) finish(grpc::StatusCode::OK, {});
}

void GrpcCall::end_if_idle() {
  std::lock_guard lock(mutex_);
  const bool waits = method_.kind == Method::Kind::server_stream || owed_ == 0;
  if (waits && unsent_.empty() && !writing_) {
    finish(grpc::StatusCode::UNAVAILABLE, "The server is shutting down; call again.");
  }
}

void GrpcCall::every_tick(std::function<void()> look) {
  std::lock_guard lock(mutex_);
  look_ = std::make_shared<std::function<void()>>(std::move(look));
}

void GrpcCall::tick(TimePoint now) {
  std::shared_ptr<std::function<void()>> look;
  {
    std::lock_guard lock(mutex_);
    if (!about_) return;
    const seconds taking = kWriteTime + seconds(outgoing_bytes_ / kMinBytesPerSecond);
    const bool stalled = (writing_ || finished_) && now - write_began_ > taking;
    const bool silent =
        !received_ && method_.kind != Method::Kind::stream && now - began_ > kRequestTime;
    if (stalled || silent) return about_->TryCancel();
    look = look_;
  }
  if (look) (*look)();
}

void GrpcCall::OnCancel() {
  stop_.request_stop();
  std::lock_guard lock(mutex_);
  finish(grpc::StatusCode::CANCELLED, "The call was cancelled.");
}

void GrpcCall::OnDone() {
  const auto self = shared_from_this();
  int code = 0;
  {
    std::lock_guard lock(mutex_);
    about_ = nullptr;
    look_.reset();
    unsent_.clear();
    code = stop_.stop_requested() ? static_cast<int>(grpc::StatusCode::CANCELLED) : code_;
  }
  shared_.metrics.observe(method_.path, code, seconds_between(began_, Clock::now()));
  shared_.live.remove(this);
}

}  // namespace millrace::api
