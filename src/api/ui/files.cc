#include "api/ui/files.h"

#include <algorithm>
#include <string>
#include <utility>

#include "api/errors.h"
#include "api/ui/assets.h"
#include "api/ui/inflate.h"

namespace millrace::api {
namespace {

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The part of `list` before the separator, taken off it.
std::string_view take(std::string_view& list, char separator) {
  const auto end = list.find(separator);
  const std::string_view part = trim(list.substr(0, end));
  list = end == std::string_view::npos ? std::string_view() : list.substr(end + 1);
  return part;
}

// "q=0", "q=0.000": not acceptable.
bool is_refusal(std::string_view parameter) {
  if (!parameter.starts_with("q=") && !parameter.starts_with("Q=")) return false;
  return parameter.size() > 2 &&
         parameter.substr(2).find_first_not_of("0.") == std::string_view::npos;
}

const UiAsset* find_asset(std::string_view path) {
  const auto assets = ui_assets();
  const auto found = std::ranges::find(assets, path, &UiAsset::path);
  return found == assets.end() ? nullptr : &*found;
}

net::HttpResponse response_of(const UiAsset& asset) {
  net::HttpResponse response;
  response.content_type = asset.content_type;
  response.headers = {
      {"ETag", "W/" + std::string(asset.etag)},  // weak: the same for both codings
      {"Cache-Control", asset.immutable ? "public, max-age=31536000, immutable" : "no-cache"},
      {"Vary", "Accept-Encoding"},
      {"Content-Security-Policy", std::string(kUiPolicy)},
      {"X-Content-Type-Options", "nosniff"},
      {"X-Frame-Options", "DENY"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Permissions-Policy", "camera=(self), geolocation=(), microphone=(), payment=(), usb=()"},
  };
  return response;
}

}  // namespace

bool accepts_gzip(std::string_view accept_encoding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    std::string_view item = take(accept_encoding, ',');
    const std::string_view coding = take(item, ';');
    const bool refused = is_refusal(trim(item));
    if (net::equal_ignoring_case(coding, "gzip") || net::equal_ignoring_case(coding, "x-gzip")) {
      return !refused;
    }
    if (coding == "*") any = !refused;
  }
  return any;
}

bool matches_etag(std::string_view if_none_match, std::string_view etag) {
  while (!if_none_match.empty()) {
    std::string_view tag = take(if_none_match, ',');
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == etag || tag == "*") return true;
  }
  return false;
}

void get_ui_file(const ApiContext&, const net::HttpRequest& http,
                 std::shared_ptr<net::Responder> respond) {
  const UiAsset* asset = find_asset(http.path);
  if (!asset) {
    return respond->send(error_response(
        {.kind = ErrorKind::not_found, .message = "There is no such file.", .code = "not_found"}));
  }
  net::HttpResponse response = response_of(*asset);
  if (matches_etag(http.header("if-none-match"), asset->etag)) {
    response.status = 304;
  } else if (accepts_gzip(http.header("accept-encoding"))) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = asset->gzip;
  } else {
    response.body = inflate_gzip(asset->gzip, asset->size);
  }
  respond->send(std::move(response));
}

}  // namespace millrace::api
