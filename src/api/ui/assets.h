// The files of the web UI as they lie in the binary: compressed, named by their path. The table
// itself is generated at build time (cmake/embed_ui.py).
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace millrace::api {

struct UiAsset {
  std::string_view path;  // "/", "/assets/index-1a2b3c4d.js"
  std::string_view content_type;
  std::string_view etag;  // of the uncompressed bytes, quoted
  bool immutable;         // the name holds a hash: what is in it never changes
  std::string_view gzip;
  std::size_t size;  // bytes, uncompressed
};

// "/" is always there. Static storage, any thread.
std::span<const UiAsset> ui_assets();

}  // namespace millrace::api
