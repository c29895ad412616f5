#include "net/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

#include "base/log.h"
#include "base/random_id.h"

namespace millrace::net {
namespace {

constexpr std::size_t kMaxPendingBytes = std::size_t{16} << 10;
constexpr std::size_t kMaxUnsent = 8;  // answers that wait for the end of a round

}  // namespace

// One request and the handler's side of its answer.
class Connection::Exchange final : public Responder {
 public:
  Exchange(std::shared_ptr<Connection> connection, std::uint64_t serial, const Route& route,
           HttpRequest&& request)
      : connection_(std::move(connection)),
        serial_(serial),
        route_(route),
        request_(std::move(request)) {}
  ~Exchange() override {
    if (!is_over_.load(std::memory_order_relaxed)) connection_->abandon(serial_);
  }

  void send(HttpResponse response) override {
    if (connection_->send(serial_, std::move(response))) {
      is_over_.store(true, std::memory_order_relaxed);
    }
  }
  void start(int status, std::string_view type, HeaderFields headers) override {
    connection_->start(serial_, status, type, std::move(headers));
  }
  bool write(std::string chunk) override { return connection_->write(serial_, chunk); }
  void finish() override { connection_->finish(serial_); }
  void on_disconnect(std::function<void()> callback) override {
    connection_->on_disconnect(serial_, std::move(callback));
  }
  bool disconnected() const override { return connection_->disconnected(serial_); }

  static void run(std::shared_ptr<Exchange> exchange) {
    const Route& route = exchange->route_;
    HttpRequest& request = exchange->request_;  // moved before its owner is gone
    try {
      route.handler(std::move(request), std::move(exchange));
    } catch (const std::exception& error) {  // a barrier: one request never ends the server
      log_error("handler of {} threw: {}", route.pattern, error.what());
    }
  }
  // Handlers are posted together when the round of events ends: one wake-up of the pool, not many.
  static void dispatch(std::shared_ptr<Exchange> exchange, IoThread& io) {
    const Route& route = exchange->route_;
    if (route.on_io_thread || (route.is_instant && route.is_instant(exchange->request_))) {
      return run(std::move(exchange));
    }
    io.ready.emplace_back([exchange = std::move(exchange)]() mutable {
      if (exchange->connection_->still_open()) run(std::move(exchange));
    });
  }

 private:
  const std::shared_ptr<Connection> connection_;
  const std::uint64_t serial_;
  const Route& route_;
  HttpRequest request_;
  std::atomic<bool> is_over_ = false;  // answered: nothing is left to abandon
};

Connection::Connection(std::shared_ptr<ServerCore> core, IoThread& io,
                       std::unique_ptr<ByteStream> stream, std::shared_ptr<void> ticket)
    : core_(std::move(core)),
      ticket_(std::move(ticket)),
      io_(io),
      stream_(std::move(stream)),
      parser_(core_->options.limits) {
  core_->num_connections.fetch_add(1);
  core_->metrics.connection_opened();
}

Connection::~Connection() = default;

void Connection::open(bool over_limit) {
  std::lock_guard lock(mutex_);
  io_.connections.emplace(this, shared_from_this());
  io_.loop.want_ticks(true);
  interest_ = EPOLLIN | EPOLLRDHUP;
  if (core_->draining || !io_.loop.add(stream_->fd(), interest_, this)) return close_locked();
  wait_for(Waiting::idle);
  if (!over_limit) return;
  refuse(503, "too many connections", true);
  drive();
  update_interest();
}

void Connection::on_events(std::uint32_t events) {
  std::unique_lock lock(mutex_);
  if (phase_ == Phase::closed) return;
  kick_ = false;
  const bool both_closed = (events & EPOLLHUP) != 0 && phase_ == Phase::answering;
  if ((events & EPOLLERR) != 0 || both_closed || broken_) {
    close_locked();
  } else {
    if (events & EPOLLOUT) flush();
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) read_input(events);
    drive();
    update_interest();
  }
  run_released(lock);
  if (io_.unsent.size() >= kMaxUnsent) io_.send_unsent();
}

// The last step of each call on the io thread: what must not run under the lock.
void Connection::run_released(std::unique_lock<std::mutex>& lock) {
  auto ready = std::move(ready_);
  const auto gone = std::exchange(gone_callback_, nullptr);
  lock.unlock();
  if (gone) gone();
  if (ready) Exchange::dispatch(std::move(ready), io_);
}

void Connection::read_input(std::uint32_t events) {
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::answering && (events & EPOLLRDHUP) != 0) return peer_left();
  if (phase_ == Phase::reading && parser_.takes_body()) return read_body();
  auto& scratch = io_.loop.scratch();
  std::size_t space = scratch.size();
  if (phase_ == Phase::answering) {
    space = kMaxPendingBytes - std::min(kMaxPendingBytes, pending_.size());
    if (space == 0) return;  // update_interest() stops the reading
  }
  const ssize_t got = stream_->read(scratch.data(), space);
  if (got < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK) close_locked();
    return;
  }
  if (got == 0) return phase_ == Phase::answering ? peer_left() : close_locked();
  const std::string_view bytes(scratch.data(), static_cast<std::size_t>(got));
  if (phase_ == Phase::answering) {
    pending_.append(bytes);
  } else if (phase_ == Phase::reading) {
    feed(bytes);
  }
}

void Connection::read_body() {
  const ssize_t got = parser_.read_body(*stream_);
  if (got > 0) return feed({});
  const bool later = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  if (!later) close_locked();
}

// Half-closed counts as gone: nobody waits for a long answer on a connection they ended. A short
// one is still delivered.
void Connection::peer_left() {
  if (peer_closed_) return;
  peer_closed_ = true;
  if (!current_.done) gone_callback_ = std::exchange(current_.on_disconnect, nullptr);
}

// Goes on to the next request for as long as there is one and the last answer is out.
void Connection::drive() {
  while (!broken_) {
    if (phase_ == Phase::answering) {
      if (!current_.done || !out_.empty()) return;
      if (must_close()) return begin_linger();
      phase_ = Phase::reading;
      wait_for(Waiting::idle, io_.loop.round_began());
    }
    if (phase_ != Phase::reading || pending_.empty()) return;
    const std::string bytes = std::exchange(pending_, {});
    feed(bytes);
  }
}

void Connection::feed(std::string_view bytes) {
  if (parser_.untouched() && !bytes.empty()) {
    const TimePoint now = io_.loop.round_began();
    parser_.request().arrival = now;
    current_.route = nullptr;
    wait_for(Waiting::head, now);
  }
  while (true) {
    bytes.remove_prefix(parser_.feed(bytes));
    switch (parser_.phase()) {
      case RequestParser::Phase::body:
        if (waiting_ == Waiting::head) wait_for(Waiting::body);
        return;
      case RequestParser::Phase::request_line:
      case RequestParser::Phase::fields:
        return;
      case RequestParser::Phase::head_done:
        if (!accept_head(bytes)) {
          pending_.assign(bytes);
          return;
        }
        break;
      case RequestParser::Phase::done:
        begin_exchange();
        pending_.assign(bytes);
        return;
      case RequestParser::Phase::failed:
        return refuse(parser_.error_status(), parser_.error_message(), true);
    }
  }
}

// Routes before the body is read. False: refused.
bool Connection::accept_head(std::string_view rest) {
  HttpRequest& request = parser_.request();
  const bool has_body = parser_.has_body();
  RouteMatch match = core_->router.match(request.method, parser_.route_path());
  current_.route = match.route;
  if (!match.route) {
    const bool wrong_method = match.status == 405;
    refuse(match.status, wrong_method ? "method not allowed" : "not found",
           has_body || !parser_.keep_alive(), match.allow);
    return false;
  }
  request.path_params = std::move(match.params);
  parser_.begin_body(match.route->max_body_bytes);
  if (parser_.phase() != RequestParser::Phase::body) return true;
  window_bytes_ = 0;
  if (parser_.expects_continue() && rest.empty()) {
    out_.push("HTTP/1.1 100 Continue\r\n\r\n");
    flush();
  }
  return true;
}

void Connection::begin_exchange() {
  HttpRequest& request = parser_.request();
  const std::string_view given = request.header("x-request-id");
  request.request_id = is_request_id(given) ? std::string(given) : random_id();
  const Route* route = current_.route;
  current_ = Current{.serial = current_.serial + 1,
                     .route = route,
                     .arrival = request.arrival,
                     .method = {},
                     .request_id = request.request_id,
                     .on_disconnect = {},
                     .head_only = request.method == "HEAD",
                     .http_1_0 = parser_.is_http_1_0(),
                     .close = !parser_.keep_alive()};
  phase_ = Phase::answering;
  wait_for(Waiting::nothing, {});
  ready_ =
      std::make_shared<Exchange>(shared_from_this(), current_.serial, *route, std::move(request));
  parser_.reset();
}

void Connection::flush() {
  if (broken_) return;
  const auto result = out_.flush(*stream_);
  if (result == OutputQueue::Flush::broken) return break_off(false);
  if (result == OutputQueue::Flush::all) {
    if (waiting_ == Waiting::write) {
      wait_for(phase_ == Phase::reading ? Waiting::body : Waiting::nothing);
    }
  } else if (result == OutputQueue::Flush::some || waiting_ != Waiting::write) {
    wait_for(Waiting::write);
  }
}

// Answers made on the io thread leave together when the round of events ends. The first wakes a
// client that has several requests under way, and the others find it awake: waking is most of what
// sending costs.
void Connection::flush_answer() {
  if (!io_.loop.is_here()) return flush();
  if (!std::exchange(unsent_, true)) io_.unsent.push_back(this);
}

void Connection::send_unsent() {
  std::unique_lock lock(mutex_);
  unsent_ = false;
  if (phase_ == Phase::closed) return;
  flush();
  drive();
  update_interest();
  run_released(lock);
}

// More may come while it sends: of requests that were read ahead. Those that were closed meanwhile
// live until the round is over.
void IoThread::send_unsent() {
  for (std::size_t i = 0; i < unsent.size(); ++i) unsent[i]->send_unsent();
  unsent.clear();
}

// Any thread: both directions are shut, and the io thread, woken by that, closes.
void Connection::break_off(bool reset) {
  broken_ = true;
  out_.clear();
  if (reset) set_reset_on_close(stream_->fd());
  ::shutdown(stream_->fd(), SHUT_RDWR);
}

// Closing with input unread would reset the connection, and the answer might be lost with it. When
// the server stops, an answer to a request that was read to its end needs no such care.
void Connection::begin_linger() {
  const bool read_to_end = !current_.close && !peer_closed_ && pending_.empty();
  stream_->end_of_output();
  if (read_to_end && core_->draining) return close_locked();
  phase_ = Phase::lingering;
  std::string().swap(pending_);
  wait_for(Waiting::linger);
}

void Connection::close_locked() {
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::answering && !current_.done) {
    core_->metrics.observe(current_.route, current_.method, 499,
                           seconds_between(current_.arrival, Clock::now()));
    if (!peer_closed_) gone_callback_ = std::exchange(current_.on_disconnect, nullptr);
  }
  phase_ = Phase::closed;
  wait_for(Waiting::nothing, {});
  io_.loop.remove(stream_->fd());
  stream_.reset();
  ticket_.reset();
  out_.clear();
  parser_.reset();
  std::string().swap(pending_);
  core_->metrics.connection_closed();
  core_->num_connections.fetch_sub(1);
  io_.loop.defer_destroy(shared_from_this());
  io_.connections.erase(this);
  if (io_.connections.empty()) io_.loop.want_ticks(false);
}

void Connection::close() {
  std::unique_lock lock(mutex_);
  close_locked();
  run_released(lock);
}

void Connection::drain() {
  std::lock_guard lock(mutex_);
  if (phase_ == Phase::reading && parser_.untouched()) close_locked();
}

void Connection::wait_for(Waiting what, TimePoint now) {
  const HttpLimits& limits = core_->options.limits;
  waiting_ = what;
  TimePoint deadline = kNever;
  switch (what) {
    case Waiting::nothing:
      break;
    case Waiting::idle:
      deadline = now + limits.idle_timeout;
      break;
    case Waiting::head:
      deadline = now + limits.header_timeout;
      break;
    case Waiting::body:
      deadline = now + limits.body_window;
      break;
    case Waiting::write:
      deadline = now + limits.write_stall_timeout;
      break;
    case Waiting::linger:
      deadline = now + limits.linger_timeout;
      break;
  }
  deadline_.store(deadline, std::memory_order_relaxed);
}

void Connection::on_tick(TimePoint now) {
  std::unique_lock lock(mutex_);
  if (!expired(now)) return;
  switch (waiting_) {
    case Waiting::nothing:
      break;
    case Waiting::head:
      refuse(408, "request header took too long", true);
      break;
    case Waiting::body:
      check_body_rate();
      break;
    case Waiting::write:
      set_reset_on_close(stream_->fd());
      close_locked();
      break;
    case Waiting::idle:
    case Waiting::linger:
      close_locked();
      break;
  }
  if (phase_ != Phase::closed) {
    drive();
    update_interest();
  }
  run_released(lock);
}

void Connection::check_body_rate() {
  const HttpLimits& limits = core_->options.limits;
  const auto window_ms = static_cast<std::size_t>(limits.body_window.count());
  const std::size_t received = parser_.num_body_bytes() - window_bytes_;
  if (received * 1000 < limits.min_body_bytes_per_second * window_ms) {
    return refuse(408, "request body came too slowly", true);
  }
  window_bytes_ = parser_.num_body_bytes();
  wait_for(Waiting::body);
}

void Connection::update_interest() {
  if (phase_ == Phase::closed) return;
  std::uint32_t wanted = 0;
  if (!peer_closed_) {
    const bool full = phase_ == Phase::answering && pending_.size() >= kMaxPendingBytes;
    wanted = full ? EPOLLRDHUP : EPOLLIN | EPOLLRDHUP;
  } else if (phase_ == Phase::lingering) {
    wanted = EPOLLIN;
  }
  if ((!out_.empty() && !unsent_) || kick_) wanted |= EPOLLOUT;
  if (wanted == interest_) return;
  interest_ = wanted;
  io_.loop.modify(stream_->fd(), wanted, this);
}

bool Connection::still_open() const {
  std::lock_guard lock(mutex_);
  return phase_ != Phase::closed;
}

}  // namespace millrace::net
