#include "hub/hub_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>
#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "hub/download.h"

namespace millrace::hub {
namespace {

constexpr std::size_t kMaxListing = std::size_t{64} << 20;
constexpr int kTries = 4;
constexpr int kMaxRedirects = 5;
constexpr std::chrono::milliseconds kStep(50);

std::string text_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::int64_t size_of(const json::object& object) {
  const json::value* value = object.if_contains("size");
  return value && value->is_int64() && value->get_int64() >= 0 ? value->get_int64() : -1;
}

HubFile read_file_entry(const json::object& entry) {
  HubFile file{.name = text_of(entry, "rfilename"), .size = size_of(entry)};
  file.checksum = checksum_of_hex(text_of(entry, "blobId"));
  if (const json::value* lfs = entry.if_contains("lfs"); lfs && lfs->is_object()) {
    const json::object& large = lfs->get_object();
    file.checksum = checksum_of_hex(text_of(large, "sha256"));
    if (size_of(large) >= 0) file.size = size_of(large);
  }
  return file;
}

std::string without_quotes(std::string text) {
  if (text.starts_with("W/")) text.erase(0, 2);
  std::erase(text, '"');
  return text;
}

}  // namespace

Result<HubClient> HubClient::make(std::string endpoint, std::string token, const HttpTimes& times,
                                  const std::atomic<bool>* stop) {
  while (endpoint.ends_with('/')) endpoint.pop_back();
  if (host_of(endpoint).empty() || endpoint.find_first_of("?#@ ") != std::string::npos) {
    return invalid(
        "HF_ENDPOINT is not the address of a hub; write for example "
        "https://huggingface.co");
  }
  if (!token.empty() && !is_private_channel(endpoint)) {
    log_warn("the token is not sent: {} is not https, so it could be read on the way",
             host_of(endpoint));
    token.clear();
  }
  HubClient client;
  client.endpoint_ = std::move(endpoint);
  client.token_ = std::move(token);
  client.times_ = times;
  client.stop_ = stop;
  return client;
}

std::string HubClient::file_url(const HubSource& source, const std::string& commit,
                                const std::string& name) const {
  std::string revision = escape_path(commit);
  for (auto at = revision.find('/'); at != std::string::npos; at = revision.find('/'))
    revision.replace(at, 1, "%2F");
  return fmt::format("{}/{}/resolve/{}/{}", endpoint_, escape_path(source.repository), revision,
                     escape_path(name));
}

Result<HubClient::Answer> HubClient::get_once(const std::string& url, const std::string& bearer,
                                              bool head_only, bool& transient) const {
  HttpClient http(times_);
  Answer answer;
  HttpRequest request{.url = url, .bearer = bearer, .head_only = head_only};
  request.on_body = [&](std::span<const std::byte> bytes) -> Status {
    if (answer.body.size() + bytes.size() > kMaxListing)
      return fail(ErrorKind::too_large, "the hub's answer is longer than any repository's");
    answer.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  };
  http.start(std::move(request));
  for (;;) {
    if (stop_ && stop_->load()) return fail(ErrorKind::cancelled, "interrupted");
    std::vector<HttpOutcome> outcomes = http.step(kStep);
    if (outcomes.empty()) continue;
    transient = outcomes[0].transient;
    if (outcomes[0].failure) return std::unexpected(*outcomes[0].failure);
    answer.head = std::move(outcomes[0].head);
    return answer;
  }
}

Result<HubClient::Answer> HubClient::get(std::string url, bool head_only,
                                         const std::string& what) const {
  std::string bearer = token_;
  int num_redirects = 0;
  auto pause = std::chrono::milliseconds(500);
  for (int tries = 1;;) {
    bool transient = false;
    auto answer = get_once(url, bearer, head_only, transient);
    if (answer && !answer->head.redirect_url.empty()) {
      const std::string& target = answer->head.redirect_url;
      // The hub says all about a large file in the redirect to where it is stored.
      if (head_only && !same_origin(url, target)) return answer;
      if (++num_redirects > kMaxRedirects)
        return fail(ErrorKind::unavailable, what + ": the server redirects in a circle");
      if (!same_origin(url, target)) bearer.clear();
      url = target;
      continue;
    }
    if (answer && answer->head.status == 200) return answer;
    if (answer) {
      transient = answer->head.status >= 500 || answer->head.status == 429;
      answer = std::unexpected(error_of_status(answer->head, url, what, !bearer.empty()));
    }
    if (!transient || ++tries > kTries) return answer;
    const auto until = std::chrono::steady_clock::now() + pause;
    while (std::chrono::steady_clock::now() < until && !(stop_ && stop_->load()))
      std::this_thread::sleep_for(kStep);
    pause *= 2;
  }
}

Result<HubListing> HubClient::list(const HubSource& source) const {
  std::string revision = escape_path(source.revision);
  for (auto at = revision.find('/'); at != std::string::npos; at = revision.find('/'))
    revision.replace(at, 1, "%2F");
  auto answer = get(fmt::format("{}/api/models/{}/revision/{}?blobs=true", endpoint_,
                                escape_path(source.repository), revision),
                    false, fmt::format("{} at {}", source.repository, source.revision));
  if (!answer) return pass(answer);
  return parse_listing(answer->body, source.revision);
}

Status HubClient::complete(const HubSource& source, const std::string& commit,
                           HubFile& file) const {
  if (file.size >= 0 && file.checksum.kind != Checksum::Kind::none) return {};
  auto answer = get(file_url(source, commit, file.name), true, file.name);
  if (!answer) return pass(answer);
  const auto first_of = [&](const char* large, const char* plain) {
    const std::string text = answer->head.header(large);
    return text.empty() && answer->head.redirect_url.empty() ? answer->head.header(plain) : text;
  };
  const std::string length = first_of("x-linked-size", "content-length");
  std::int64_t size = -1;
  std::from_chars(length.data(), length.data() + length.size(), size);
  if (file.size < 0) file.size = size;
  if (file.checksum.kind == Checksum::Kind::none)
    file.checksum = checksum_of_hex(without_quotes(first_of("x-linked-etag", "etag")));
  if (file.size < 0)
    return fail(ErrorKind::unavailable, file.name + ": the hub does not say how large it is");
  return {};
}

Result<HubListing> parse_listing(const std::string& body, const std::string& revision) {
  auto value = parse_json(body, {.max_bytes = kMaxListing});
  const json::value* siblings =
      value && value->is_object() ? value->get_object().if_contains("siblings") : nullptr;
  if (!siblings || !siblings->is_array()) {
    return fail(ErrorKind::unavailable,
                "the answer is not a hub's list of files; check HF_ENDPOINT and the network");
  }
  HubListing listing{.commit = text_of(value->get_object(), "sha"), .files = {}};
  if (checksum_of_hex(listing.commit).kind != Checksum::Kind::git_blob) listing.commit = revision;
  for (const json::value& entry : siblings->get_array()) {
    if (entry.is_object()) listing.files.push_back(read_file_entry(entry.get_object()));
  }
  return listing;
}

}  // namespace millrace::hub
