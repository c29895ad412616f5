#include "api/ui/inflate.h"

#include <zlib.h>

#include "base/check.h"

namespace millrace::api {

std::string inflate_gzip(std::string_view gzip, std::size_t size) {
  std::string out(size, '\0');
  z_stream stream{};
  constexpr int kGzipFraming = 16 + MAX_WBITS;
  MILLRACE_CHECK(inflateInit2(&stream, kGzipFraming) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(gzip.data()));
  stream.avail_in = static_cast<uInt>(gzip.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int end = ::inflate(&stream, Z_FINISH);
  const bool whole = end == Z_STREAM_END && stream.avail_out == 0;
  inflateEnd(&stream);
  MILLRACE_CHECK(whole);
  return out;
}

}  // namespace millrace::api
