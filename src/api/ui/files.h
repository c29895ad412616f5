// GET / and /assets/{file}: the web UI.
#pragma once

#include <memory>
#include <string_view>

#include "api/context.h"
#include "net/http_types.h"

namespace millrace::api {

// What the pages may do: their own scripts, styles and requests, nothing inline, nothing from
// elsewhere, never within another site's frame.
inline constexpr std::string_view kUiPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

void get_ui_file(const ApiContext& context, const net::HttpRequest& http,
                 std::shared_ptr<net::Responder> respond);

// True when an Accept-Encoding field allows gzip (RFC 9110, 12.5.3).
bool accepts_gzip(std::string_view accept_encoding);
// True when an If-None-Match field names the tag, weakly compared, or is "*".
bool matches_etag(std::string_view if_none_match, std::string_view etag);

}  // namespace millrace::api
