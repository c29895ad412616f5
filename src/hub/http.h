// A small HTTP client: several requests at once on one thread, headers and body as they come. The
// one file that names libcurl. Redirects are not followed but reported: whoever holds a token
// decides who sees it. Proxies and certificates as libcurl finds them (https_proxy, SSL_CERT_FILE
// …).
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::hub {

struct HttpHead {
  long status = 0;
  std::map<std::string, std::string, std::less<>> headers{};  // names in lower case
  std::string redirect_url{};                       // absolute, of a 3xx; in the outcome only
  std::string header(std::string_view name) const;  // empty where absent
};

struct HttpRequest {
  std::string url;
  std::string bearer{};  // token for this URL's host; empty: none
  std::string range{};   // "0-99"; empty: everything
  bool head_only = false;
  // Once the head is there; an error ends the request and becomes its failure. May be empty.
  std::function<Status(const HttpHead& head)> on_head{};
  // Body bytes of a 2xx answer; the same.
  std::function<Status(std::span<const std::byte> bytes)> on_body{};
};

struct HttpOutcome {
  int id = 0;
  HttpHead head{};                 // status 0: none came
  std::optional<Error> failure{};  // the connection failed, or a callback said so
  bool transient = false;          // the failure may pass: worth another try
};

struct HttpTimes {
  int connect_seconds = 20;
  int stall_seconds = 30;  // without a byte worth the name: the request fails
};

class HttpClient {
 public:
  explicit HttpClient(const HttpTimes& times);
  ~HttpClient();  // ends what runs
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  int start(HttpRequest request);  // the id of its outcome
  void cancel(int id);             // no outcome will come
  // Moves bytes; returns after `timeout` at the latest, with the requests that ended.
  std::vector<HttpOutcome> step(std::chrono::milliseconds timeout);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Scheme, host and port are the same. False when either is no http or https URL.
bool same_origin(const std::string& a, const std::string& b);
// A token may travel there: https, or this machine.
bool is_private_channel(const std::string& url);
std::string host_of(const std::string& url);  // for people
// "a b/c" → "a%20b/c"
std::string escape_path(std::string_view path);

}  // namespace millrace::hub
