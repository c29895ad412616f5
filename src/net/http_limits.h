// What one listener bears, in sizes and times.
#pragma once

#include <chrono>
#include <cstddef>

namespace millrace::net {

struct HttpLimits {  // the table of limits' defaults
  std::size_t max_connections = 10'000;
  std::size_t max_connections_per_ip = 256;              // IPv6: per /64
  bool count_loopback = false;                           // in max_connections_per_ip
  std::size_t max_header_bytes = std::size_t{16} << 10;  // request line and fields
  std::size_t max_header_line_bytes = std::size_t{8} << 10;
  std::size_t max_headers = 100;
  std::size_t max_target_bytes = std::size_t{8} << 10;
  std::size_t max_chunks = 65'536;  // of a chunked request body, the last one not counted
  std::size_t max_chunk_extension_bytes = 256;
  std::size_t max_trailer_bytes = std::size_t{4} << 10;
  std::size_t stream_buffer_bytes = std::size_t{256} << 10;
  std::chrono::milliseconds header_timeout{10'000};
  // A body must bring this many bytes a second, on average over each window.
  std::size_t min_body_bytes_per_second = 1024;
  std::chrono::milliseconds body_window{10'000};
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds write_stall_timeout{30'000};
  // After a last answer the peer has this long to read it and close.
  std::chrono::milliseconds linger_timeout{2'000};
};

}  // namespace millrace::net
