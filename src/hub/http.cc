#include "hub/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/check.h"
#include "base/version.h"

namespace millrace::hub {
namespace {

constexpr long kMinBytesPerSecond = 100;  // below it a connection counts as stalled

struct UrlParts {
  std::string scheme, host, port;
};

std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

UrlParts parts_of(const std::string& text) {
  CURLU* url = curl_url();
  UrlParts parts;
  if (curl_url_set(url, CURLUPART_URL, text.c_str(), 0) == CURLUE_OK) {
    parts.scheme = part_of(url, CURLUPART_SCHEME);
    parts.host = part_of(url, CURLUPART_HOST);
    std::ranges::transform(parts.host, parts.host.begin(),
                           [](const unsigned char c) { return std::tolower(c); });
    parts.port = part_of(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  }
  curl_url_cleanup(url);
  if (parts.scheme != "http" && parts.scheme != "https") return {};
  return parts;
}

// One request under way.
struct Transfer {
  int id = 0;
  HttpRequest request;
  HttpHead head;
  bool head_told = false;
  std::optional<Error> failure;  // from a callback
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;

  ~Transfer() {
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
  }

  bool take(const Status& status) {
    if (!status) failure = status.error();
    return status.has_value();
  }

  // A redirect's and an error's body is nobody's.
  bool has_body() const { return head.status >= 200 && head.status < 300; }

  bool tell_head() {
    if (head_told) return true;
    head_told = true;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &head.status);
    return !request.on_head || take(request.on_head(head));
  }
};

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {
    transfer.head.headers.clear();  // of an interim answer
    return size * count;
  }
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  const auto colon = line.find(':');
  constexpr std::size_t kMaxHeaders = 200;
  if (colon == std::string_view::npos || transfer.head.headers.size() > kMaxHeaders)
    return size * count;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](const unsigned char c) { return std::tolower(c); });
  std::string_view value = line.substr(colon + 1);
  const auto start = value.find_first_not_of(" \t");
  transfer.head.headers[std::move(name)] =
      start == std::string_view::npos ? std::string() : std::string(value.substr(start));
  return size * count;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  const std::size_t length = size * count;
  if (!transfer.tell_head()) return 0;  // fewer than given: libcurl ends the request
  if (!transfer.has_body() || !transfer.request.on_body) return length;
  const auto bytes = std::as_bytes(std::span(data, length));
  return transfer.take(transfer.request.on_body(bytes)) ? length : 0;
}

bool may_pass(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return false;
    default:
      return true;
  }
}

Error explain(CURLcode code, const std::string& url, const HttpTimes& times) {
  const std::string host = host_of(url);
  std::string why;
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      why = fmt::format("the host {} cannot be found; check the network", host);
      break;
    case CURLE_COULDNT_CONNECT:
      why = fmt::format("{} does not accept a connection; check the network", host);
      break;
    case CURLE_OPERATION_TIMEDOUT:
      why = fmt::format("{} sent nothing for {} s", host, times.stall_seconds);
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
      why = fmt::format("the certificate of {} is not trusted by this machine", host);
      break;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
      why = fmt::format("{} closed the connection early", host);
      break;
    default:
      why = fmt::format("{}: {}", host, curl_easy_strerror(code));
  }
  return {.kind = ErrorKind::unavailable, .message = std::move(why), .code = "network"};
}

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  MILLRACE_CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

void configure(Transfer& transfer, const HttpTimes& times) {
  CURL* easy = transfer.easy;
  const auto add_header = [&](const std::string& line) {
    transfer.headers = curl_slist_append(transfer.headers, line.c_str());
  };
  set(easy, CURLOPT_URL, transfer.request.url.c_str());
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(easy, CURLOPT_CONNECTTIMEOUT, static_cast<long>(times.connect_seconds));
  set(easy, CURLOPT_LOW_SPEED_LIMIT, kMinBytesPerSecond);
  set(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>(times.stall_seconds));
  set(easy, CURLOPT_BUFFERSIZE, 256L << 10);
  set(easy, CURLOPT_NOBODY, transfer.request.head_only ? 1L : 0L);
  set(easy, CURLOPT_HEADERFUNCTION, &on_header);
  set(easy, CURLOPT_HEADERDATA, static_cast<void*>(&transfer));
  set(easy, CURLOPT_WRITEFUNCTION, &on_body);
  set(easy, CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
  set(easy, CURLOPT_PRIVATE, static_cast<void*>(&transfer));
  add_header(fmt::format("User-Agent: millrace/{}", kVersion));
  add_header("Accept-Encoding: identity");
  if (!transfer.request.bearer.empty())
    add_header("Authorization: Bearer " + transfer.request.bearer);
  if (!transfer.request.range.empty()) set(easy, CURLOPT_RANGE, transfer.request.range.c_str());
  set(easy, CURLOPT_HTTPHEADER, transfer.headers);
}

}  // namespace

struct HttpClient::State {
  HttpTimes times;
  CURLM* multi = nullptr;
  std::map<int, std::unique_ptr<Transfer>> running;
  int next_id = 1;

  HttpOutcome end(Transfer& transfer, CURLcode code) {
    if (code == CURLE_OK && !transfer.tell_head()) code = CURLE_WRITE_ERROR;
    char* url = nullptr;  // known only now
    curl_easy_getinfo(transfer.easy, CURLINFO_REDIRECT_URL, &url);
    if (url) transfer.head.redirect_url = url;
    HttpOutcome outcome{.id = transfer.id, .head = std::move(transfer.head)};
    if (transfer.failure) {
      outcome.failure = std::move(transfer.failure);
    } else if (code != CURLE_OK) {
      outcome.failure = explain(code, transfer.request.url, times);
      outcome.transient = may_pass(code);
    }
    curl_multi_remove_handle(multi, transfer.easy);
    running.erase(outcome.id);
    return outcome;
  }
};

std::string HttpHead::header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

HttpClient::HttpClient(const HttpTimes& times) : state_(std::make_unique<State>()) {
  static const CURLcode kReady = curl_global_init(CURL_GLOBAL_DEFAULT);
  MILLRACE_CHECK(kReady == CURLE_OK);
  state_->times = times;
  state_->multi = curl_multi_init();
  MILLRACE_CHECK(state_->multi != nullptr);
}

HttpClient::~HttpClient() {
  for (auto& [id, transfer] : state_->running)
    curl_multi_remove_handle(state_->multi, transfer->easy);
  state_->running.clear();
  curl_multi_cleanup(state_->multi);
}

int HttpClient::start(HttpRequest request) {
  auto transfer = std::make_unique<Transfer>();
  transfer->id = state_->next_id++;
  transfer->request = std::move(request);
  transfer->easy = curl_easy_init();
  MILLRACE_CHECK(transfer->easy != nullptr);
  configure(*transfer, state_->times);
  curl_multi_add_handle(state_->multi, transfer->easy);
  const int id = transfer->id;
  state_->running.emplace(id, std::move(transfer));
  return id;
}

void HttpClient::cancel(int id) {
  const auto found = state_->running.find(id);
  if (found == state_->running.end()) return;
  curl_multi_remove_handle(state_->multi, found->second->easy);
  state_->running.erase(found);
}

std::vector<HttpOutcome> HttpClient::step(std::chrono::milliseconds timeout) {
  int num_running = 0;
  curl_multi_perform(state_->multi, &num_running);
  std::vector<HttpOutcome> ended;
  const auto collect = [&] {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(state_->multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;  // the message dies with the handle
      void* transfer = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      ended.push_back(state_->end(*static_cast<Transfer*>(transfer), code));
    }
  };
  collect();
  if (!ended.empty()) return ended;
  curl_multi_poll(state_->multi, nullptr, 0, static_cast<int>(timeout.count()), nullptr);
  curl_multi_perform(state_->multi, &num_running);
  collect();
  return ended;
}

bool same_origin(const std::string& a, const std::string& b) {
  const UrlParts one = parts_of(a), two = parts_of(b);
  return !one.host.empty() && one.scheme == two.scheme && one.host == two.host &&
         one.port == two.port;
}

bool is_private_channel(const std::string& url) {
  const UrlParts parts = parts_of(url);
  return parts.scheme == "https" || parts.host == "localhost" || parts.host == "[::1]" ||
         parts.host.starts_with("127.");
}

std::string host_of(const std::string& url) {
  return parts_of(url).host;
}

std::string escape_path(std::string_view path) {
  std::string out;
  for (const unsigned char c : path) {
    const bool plain = (std::isalnum(c) != 0 && c < 0x80) || c == '/' || c == '-' || c == '_' ||
                       c == '.' || c == '~';
    out += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
  }
  return out;
}

}  // namespace millrace::hub
