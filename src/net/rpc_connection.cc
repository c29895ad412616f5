#include "net/rpc_connection.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/rpc_fields.h"
#include "net/rpc_stream.h"

namespace millrace::net {
namespace {

constexpr int kReadsPerRound = 16;
constexpr std::size_t kOutBytes = std::size_t{64} << 10;
constexpr std::size_t kKeptBytes = std::size_t{16} << 10;  // by a connection that is idle
constexpr std::size_t kGreetingBytes = 24;
constexpr std::string_view kNotHttp2 =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    "Content-Length: 83\r\n\r\n"
    "This port speaks gRPC, which is HTTP/2. For HTTP/1.1 use the server's port for it.\n";

}  // namespace

RpcConnection::RpcConnection(std::shared_ptr<RpcCore> core, std::unique_ptr<ByteStream> stream,
                             std::shared_ptr<void> ticket)
    : core_(std::move(core)),
      ticket_(std::move(ticket)),
      stream_(std::move(stream)),
      session_(*this, core_->options.limits.h2) {
  ++core_->num_connections;
}

RpcConnection::~RpcConnection() {
  if (phase_ == Phase::open) --core_->num_connections;
}

void RpcConnection::open() {
  std::lock_guard lock(mutex_);
  core_->connections.emplace(this, shared_from_this());
  core_->loop.want_ticks(true);
  interest_ = EPOLLIN;
  if (!core_->loop.add(stream_->fd(), interest_, this)) close_locked();
}

void RpcConnection::on_events(std::uint32_t events) {
  const auto self = shared_from_this();
  if ((events & ~std::uint32_t{EPOLLOUT}) != 0) {
    for (int i = 0; i < kReadsPerRound && read_some(); ++i) {
    }
  }
  dispatch();
}

// False: there is no more for now. Releases the lock between reads: answers go out in between.
bool RpcConnection::read_some() {
  std::lock_guard lock(mutex_);
  if (phase_ == Phase::closed) return false;
  std::vector<char>& scratch = core_->loop.scratch();
  const ssize_t count = stream_->read(scratch.data(), scratch.size());
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return false;
  if (count <= 0) {
    close_locked();
    return false;
  }
  received_ = core_->loop.round_began();
  pinged_ = {};
  if (phase_ == Phase::open && !ending_) {
    receive({scratch.data(), static_cast<std::size_t>(count)});
  }
  return static_cast<std::size_t>(count) == scratch.size();
}

void RpcConnection::receive(std::string_view bytes) {
  num_received_ += bytes.size();
  const auto received = session_.receive(bytes);
  if (received == H2Session::Received::good) return;
  if (received == H2Session::Received::not_http2) out_ = kNotHttp2;  // nothing was sent before
  ending_ = true;
  mute_ = true;
}

H2Stream* RpcConnection::on_request(std::int32_t id, H2Head head) {
  const TimePoint now = core_->loop.round_began();
  const auto refuse = [&](const char* status, int code, const std::string& why) {
    session_.respond(id,
                     {{":status", status},
                      {"content-type", "application/grpc"},
                      {"grpc-status", std::to_string(code)},
                      {"grpc-message", encode_rpc_message(why)}},
                     false);
    return nullptr;
  };
  if (head.too_large) return refuse("200", kRpcResourceExhausted, "The metadata is too large.");
  if (head.method != "POST") return refuse("405", kRpcInternal, "gRPC calls are POST requests.");
  if (!is_rpc_content_type(head.field("content-type"))) {
    return refuse("415", kRpcInternal, "The content type must be application/grpc.");
  }
  TimePoint deadline = kNever;
  if (const auto text = head.field("grpc-timeout"); !text.empty()) {
    const auto parsed = parse_rpc_timeout(text, now);
    if (!parsed) return refuse("200", kRpcInvalidArgument, parsed.error().message);
    deadline = *parsed;
  }
  const std::size_t most = core_->service.max_message_bytes(head.path);
  auto made = std::make_shared<RpcStream>(shared_from_this(), id, std::move(head), deadline, most);
  streams_.emplace(id, made);
  tell({RpcEvent::Kind::begin, made});
  return made.get();
}

void RpcConnection::on_ping() {
  const RpcLimits& limits = core_->options.limits;
  const TimePoint now = Clock::now();
  const bool soon =
      client_pinged_ != TimePoint{} && now - client_pinged_ < limits.min_ping_interval;
  client_pinged_ = now;
  if (!soon || ++ping_strikes_ <= limits.max_ping_strikes) return;
  session_.go_away_calm_down("too_many_pings");
  ending_ = true;
}

void RpcConnection::answering() {
  client_pinged_ = {};
  ping_strikes_ = 0;
}

void RpcConnection::tell(RpcEvent event) {
  events_.push_back(std::move(event));
}

void RpcConnection::forget(std::int32_t id) {
  busy_ = Clock::now();
  streams_.erase(id);  // the stream's own event keeps it until it is told
}

void RpcConnection::changed(std::unique_lock<std::mutex> lock) {
  if (phase_ == Phase::closed) return;
  // The io thread sends, and tells, when it is through with what it does now.
  if (dispatching_ && core_->loop.is_here()) return;
  flush();
  const bool urgent = broken_ || std::ranges::any_of(events_, [](const RpcEvent& event) {
                        return event.kind != RpcEvent::Kind::closed;
                      });
  if (!urgent || dispatching_ || std::exchange(woken_, true)) return;
  lock.unlock();
  core_->loop.post([self = shared_from_this()] { self->dispatch(); });
}

void RpcConnection::dispatch() {
  std::unique_lock lock(mutex_);
  if (dispatching_) return;
  dispatching_ = true;
  woken_ = false;
  for (;;) {
    while (!events_.empty()) {
      std::vector<RpcEvent> events;
      events.swap(events_);
      lock.unlock();
      for (RpcEvent& event : events) run(std::move(event));
      lock.lock();
    }
    flush();
    if (broken_) close_locked();
    if (events_.empty()) break;
  }
  dispatching_ = false;
}

void RpcConnection::run(RpcEvent event) {
  RpcStream& stream = *event.stream;
  std::shared_ptr<RpcHandler> handler;
  {
    std::lock_guard lock(mutex_);
    if (event.kind == RpcEvent::Kind::begin && stream.closed()) return;
    handler = event.kind == RpcEvent::Kind::closed ? stream.take_handler() : stream.handler();
  }
  if (event.kind == RpcEvent::Kind::begin) {
    handler = core_->service.begin(event.stream);
    std::lock_guard lock(mutex_);
    return stream.set_handler(std::move(handler));
  }
  if (!handler) return;
  switch (event.kind) {
    case RpcEvent::Kind::message:
      return handler->on_message(std::move(event.text));
    case RpcEvent::Kind::bad_message:
      return handler->on_bad_message(event.code, std::move(event.text));
    case RpcEvent::Kind::end:
      return handler->on_end();
    case RpcEvent::Kind::cancel:
      return handler->on_cancel();
    case RpcEvent::Kind::begin:
    case RpcEvent::Kind::closed:
      return;
  }
}

void RpcConnection::flush() {
  if (phase_ != Phase::open || broken_) return;
  while (send_some()) {
  }
  if (!broken_ && !unsent() && (ending_ || session_.over())) linger();
  update_interest();
}

// False: the socket takes no more for now, or there is nothing.
bool RpcConnection::send_some() {
  if (!unsent()) {
    out_.clear();
    sent_ = 0;
    if (mute_) return false;
    session_.pull(out_, kOutBytes);
    if (out_.empty()) return false;
    sent_at_ = Clock::now();  // from now on it waits
  }
  const iovec part{out_.data() + sent_, out_.size() - sent_};
  const ssize_t count = stream_->write(&part, 1);
  if (count < 0) {
    broken_ = errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
    return false;
  }
  sent_ += static_cast<std::size_t>(count);
  sent_at_ = Clock::now();
  if (!unsent() && out_.capacity() > kKeptBytes) {
    std::string().swap(out_);
    sent_ = 0;
  }
  return !unsent();
}

// A close with input unread would reset the connection, and what was just sent with it.
void RpcConnection::linger() {
  phase_ = Phase::lingering;
  --core_->num_connections;
  linger_until_ = Clock::now() + core_->options.limits.linger_timeout;
  stream_->end_of_output();
}

void RpcConnection::update_interest() {
  if (phase_ == Phase::closed) return;
  const std::uint32_t wanted =
      phase_ == Phase::open && unsent() ? EPOLLIN | EPOLLOUT : std::uint32_t{EPOLLIN};
  if (wanted == interest_) return;
  interest_ = wanted;
  core_->loop.modify(stream_->fd(), wanted, this);
}

void RpcConnection::on_tick(TimePoint now) {
  {
    std::lock_guard lock(mutex_);
    if (phase_ == Phase::lingering && now >= linger_until_) close_locked();
    if (phase_ == Phase::open) check_silence(now);
  }
  dispatch();
}

void RpcConnection::check_silence(TimePoint now) {
  const RpcLimits& limits = core_->options.limits;
  const bool greeted = num_received_ >= kGreetingBytes;
  if (!greeted && now - opened_ > limits.greeting_timeout) return close_locked();
  if (unsent() && now - sent_at_ > limits.write_stall_timeout) return close_locked();
  if (pinged_ != TimePoint{} && now - pinged_ > limits.ping_timeout) return close_locked();
  if (pinged_ == TimePoint{} && now - received_ > limits.ping_after) {
    session_.ping();
    pinged_ = now;
  }
  if (!streams_.empty()) busy_ = now;
  if (now - busy_ > limits.idle_timeout) session_.go_away();
  for (const auto& [id, stream] : streams_) {
    if (stream->stalled(now, limits.write_stall_timeout)) session_.reset(id);
  }
}

void RpcConnection::drain() {
  {
    std::lock_guard lock(mutex_);
    if (phase_ == Phase::open) session_.go_away();
  }
  dispatch();
}

void RpcConnection::close() {
  const auto self = shared_from_this();
  {
    std::lock_guard lock(mutex_);
    close_locked();
  }
  dispatch();
}

void RpcConnection::close_locked() {
  const Phase before = std::exchange(phase_, Phase::closed);
  if (before == Phase::closed) return;
  if (before == Phase::open) --core_->num_connections;
  const auto streams = std::exchange(streams_, {});
  for (const auto& [id, stream] : streams) stream->on_close();
  core_->loop.remove(stream_->fd());
  stream_.reset();
  ticket_.reset();
  core_->loop.defer_destroy(shared_from_this());
  core_->connections.erase(this);
}

}  // namespace millrace::net
