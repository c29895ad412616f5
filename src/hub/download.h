// One file from a hub to its final name: ranges in parallel, resumed after any interruption,
// checked while it is written.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"
#include "hub/digest.h"
#include "hub/http.h"

namespace millrace::hub {

struct RemoteFile {
  std::string name;  // relative; checked by the caller
  std::string url;
  std::int64_t size = 0;
  Checksum checksum{};
};

struct DownloadOptions {
  HttpTimes times{};
  int connections = 8;                                // at most, a file
  std::int64_t piece_bytes = std::int64_t{16} << 20;  // a request asks for
  int tries = 5;                                      // in a row without a new byte
  std::chrono::milliseconds first_pause{500};         // before another try; doubles
  const std::atomic<bool>* stop = nullptr;            // true: end soon, keep what is there
  std::function<void(std::int64_t bytes_present)> progress{};
};

// `token` goes to the URL's own host only, and to nobody from the first redirect to another one on.
// Errors: see README.md's table; `cancelled` when stopped. What had arrived is kept in NAME.part,
// except after a wrong checksum (code "wrong_checksum").
Status download(const RemoteFile& file, const std::string& token,
                const std::filesystem::path& final_path, const DownloadOptions& options);

// What an answer that is neither data nor a redirect means, for people. `what` is what was asked
// for.
Error error_of_status(const HttpHead& head, const std::string& url, const std::string& what,
                      bool had_token);

}  // namespace millrace::hub
