// For tests: the API over a fake model, asked without a socket.
#pragma once

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/routes.h"
#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "net/router.h"
#include "serving/fake_model.h"

namespace millrace::api {

// Keeps what a handler answers.
class FakeResponder final : public net::Responder {
 public:
  void send(net::HttpResponse response) override {
    std::lock_guard lock(mutex_);
    ++num_answers;
    whole = std::move(response);
    done_ = true;
    changed_.notify_all();
  }
  void start(int status, std::string_view content_type, net::HeaderFields headers) override {
    std::lock_guard lock(mutex_);
    ++num_answers;
    whole.status = status;
    whole.headers = std::move(headers);
    whole.content_type = content_type;
  }
  bool write(std::string chunk) override {
    std::lock_guard lock(mutex_);
    whole.body += chunk;
    writes.push_back(std::move(chunk));
    changed_.notify_all();
    return !gone_;
  }
  void finish() override {
    std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }
  void on_disconnect(std::function<void()> callback) override {
    std::lock_guard lock(mutex_);
    left_ = std::move(callback);
  }
  bool disconnected() const override { return gone_; }

  void disconnect() {
    std::function<void()> left;
    {
      std::lock_guard lock(mutex_);
      gone_ = true;
      left = left_;
    }
    if (left) left();
  }
  bool wait_done() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(5), [&] { return done_; });
  }
  template <class Condition>
  bool wait(Condition holds) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(5), [&] { return holds(whole.body); });
  }

  net::HttpResponse whole;  // or the stream so far
  std::vector<std::string> writes;
  int num_answers = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> left_;
  bool done_ = false, gone_ = false;
};

struct Answer {
  int status = 0;
  std::string body;
  net::HttpResponse whole;
  json::value json;                 // of a whole body, or null
  std::vector<json::value> events;  // of a stream, [DONE] left out
  bool done = false;                // [DONE] came last

  std::string error(const char* member) const {
    const json::value& value = json.at("error").at(member);
    return value.is_null() ? "null" : std::string(value.as_string());
  }
};

class FakeServer {
 public:
  using Prepare = std::function<Status(const ModelSpec&, serving::FakeServable&)>;
  // `settings`: the model's model.toml; empty: none.
  explicit FakeServer(ApiOptions options = {}, Prepare prepare = {},
                      const std::string& settings = {})
      : options_(std::move(options)) {
    set_log_level(LogLevel::error);
    backend.prepare = std::move(prepare);
    folder_.file("m.fake");
    if (!settings.empty()) std::ofstream(folder_.path() / "m.toml") << settings;
    MILLRACE_CHECK(store.open().has_value());
    MILLRACE_CHECK(store.wait_until_loaded(std::chrono::seconds(5)));
    add_public_routes(router, context);
    add_admin_routes(admin, context);
  }
  ~FakeServer() { workers.wait_idle(); }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;
  serving::FakeGenerator& generator() { return backend.last->fake(); }

  static net::HttpRequest request(std::string method, std::string path, std::string body = {}) {
    net::HttpRequest http;
    http.method = std::move(method);
    http.path = std::move(path);
    http.body = std::move(body);
    http.request_id = "r1";
    http.arrival = Clock::now();
    if (!http.body.empty()) http.headers["content-type"] = "application/json";
    return http;
  }
  std::shared_ptr<FakeResponder> send(net::HttpRequest http, bool to_admin = false) {
    auto respond = std::make_shared<FakeResponder>();
    const auto match = (to_admin ? admin : router).match(http.method, http.path);
    MILLRACE_CHECK(match.route != nullptr);
    http.path_params = match.params;
    match.route->handler(std::move(http), respond);
    return respond;
  }
  Answer ask(net::HttpRequest http, bool to_admin = false) {
    const auto respond = send(std::move(http), to_admin);
    MILLRACE_CHECK(respond->wait_done());
    return read(respond->whole);
  }
  Answer post(std::string path, std::string body) {
    return ask(request("POST", std::move(path), std::move(body)));
  }
  // The members after the model: `R"("messages":[…],"n":2)"`.
  Answer chat(const std::string& members) {
    return post("/v1/chat/completions", R"({"model":"m",)" + members + "}");
  }
  Answer complete(const std::string& members) {
    return post("/v1/completions", R"({"model":"m",)" + members + "}");
  }

  static Answer read(const net::HttpResponse& response) {
    Answer answer{.status = response.status,
                  .body = response.body,
                  .whole = response,
                  .json = {},
                  .events = {}};
    if (response.content_type != "text/event-stream") {
      if (auto parsed = parse_json(response.body)) answer.json = std::move(*parsed);
      return answer;
    }
    std::string_view rest = response.body;
    while (!rest.empty()) {
      const auto end = rest.find("\n\n");
      MILLRACE_CHECK(end != std::string_view::npos);
      const std::string_view event = rest.substr(0, end);
      rest.remove_prefix(end + 2);
      MILLRACE_CHECK(!answer.done);
      if (event.starts_with(':')) continue;
      MILLRACE_CHECK(event.starts_with("data: "));
      if (event.substr(6) == "[DONE]") {
        answer.done = true;
      } else {
        auto parsed = parse_json(event.substr(6));
        MILLRACE_CHECK(parsed.has_value());
        answer.events.push_back(std::move(*parsed));
      }
    }
    return answer;
  }

 private:
  serving::TemporaryFolder folder_;
  ApiOptions options_;

 public:
  serving::FakeBackend backend;
  Metrics metrics;
  WorkerPool workers{"test", 2};  // outlives the models, whose threads hand it their answers
  serving::ModelStore store{
      {.path = folder_.path(), .defaults = {}, .memory = {.total_bytes = 1 << 20}},
      {&backend},
      metrics};
  serving::Admission admission{{}};
  serving::TextService text{store, admission, workers, metrics, std::chrono::milliseconds(150)};
  serving::TensorService tensors{store, admission, workers};
  serving::ImageService images{store, tensors, admission, workers, metrics};
  TraceLog traces;
  ApiContext context{store, text, tensors, images, admission, metrics, traces, options_};
  net::Router router, admin;
};

inline constexpr const char* kHello = R"("messages":[{"role":"user","content":"Hi"}])";

}  // namespace millrace::api
