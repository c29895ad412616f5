// The one file that names libjpeg. Its errors leave by longjmp, so the functions that call it hold
// nothing that has a destructor.
#include <cstdio>

#include <jpeglib.h>

#include <jerror.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "image/codecs.h"
#include "image/encode.h"
#include "image/exif.h"

namespace millrace::image {
namespace {

// A progressive file may ask for a pass over the whole picture in a few bytes. Encoders write about
// ten scans; the second bound keeps the work of large pictures that of one of ordinary size.
constexpr int kMaxScans = 64;
constexpr std::int64_t kMaxScannedPixels = 16 * kMaxPixels;
constexpr long kMaxDecoderBytes = 192L << 20;
constexpr std::string_view kExifMark{"Exif\0\0", 6};

struct Escape {
  jpeg_error_mgr manager;  // first: libjpeg hands out a pointer to it
  std::jmp_buf where;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void leave(j_common_ptr info) {
  auto* escape = reinterpret_cast<Escape*>(info->err);
  (*info->err->format_message)(info, escape->message);
  std::longjmp(escape->where, 1);
}

// Warnings that mean that part of the picture was made up. The others are about metadata.
bool is_damage(int code) {
  return code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
         code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC;
}

void on_message(j_common_ptr info, int level) {
  if (level < 0 && is_damage(info->err->msg_code)) leave(info);
}

void set_up(Escape& escape) {
  jpeg_std_error(&escape.manager);
  escape.manager.error_exit = leave;
  escape.manager.emit_message = on_message;
  escape.message[0] = 0;
}

class Reader {
 public:
  explicit Reader(const std::stop_token& stop) : stop_(stop) {
    set_up(escape_);
    info_.err = &escape_.manager;
    watch_.manager.progress_monitor = &Reader::watch;
    watch_.reader = this;
  }
  ~Reader() { jpeg_destroy_decompress(&info_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  bool read_header(std::span<const std::byte> encoded) {
    if (setjmp(escape_.where)) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &watch_.manager;
    info_.mem->max_memory_to_use = kMaxDecoderBytes;
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(encoded.data()), encoded.size());
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  // To rows of RGB, or of CMYK as Adobe stores it: inverted.
  bool start() {
    if (setjmp(escape_.where)) return false;
    info_.out_color_space = info_.num_components == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info_);
    return true;
  }

  bool read_rgb(std::uint8_t* out) {
    if (setjmp(escape_.where)) return false;
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = out + std::size_t{3} * info_.output_width * info_.output_scanline;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    return true;
  }

  bool read_cmyk(std::uint8_t* out, std::uint8_t* row_buffer) {
    if (setjmp(escape_.where)) return false;
    while (info_.output_scanline < info_.output_height) {
      std::uint8_t* rgb = out + std::size_t{3} * info_.output_width * info_.output_scanline;
      JSAMPROW row = row_buffer;
      jpeg_read_scanlines(&info_, &row, 1);
      for (JDIMENSION x = 0; x < info_.output_width; ++x) to_rgb(row_buffer + 4 * x, rgb + 3 * x);
    }
    return true;
  }

  int orientation() const {
    for (const jpeg_marker_struct* mark = info_.marker_list; mark; mark = mark->next) {
      if (mark->marker != JPEG_APP0 + 1 || mark->data_length < kExifMark.size()) continue;
      if (std::memcmp(mark->data, kExifMark.data(), kExifMark.size()) != 0) continue;
      return orientation_of(
          std::as_bytes(std::span(mark->data, mark->data_length)).subspan(kExifMark.size()));
    }
    return 1;
  }

  const jpeg_decompress_struct& info() const { return info_; }
  bool stopped() const { return stop_.stop_requested(); }
  bool too_many_scans() const { return too_many_scans_; }
  const char* message() const { return escape_.message; }

 private:
  struct Watch {
    jpeg_progress_mgr manager;  // first: libjpeg hands out a pointer to it
    Reader* reader;
  };

  static void watch(j_common_ptr info) {
    Reader& reader = *reinterpret_cast<Watch*>(info->progress)->reader;
    const std::int64_t scans = reader.info_.input_scan_number;
    const std::int64_t pixels = std::int64_t{reader.info_.image_width} * reader.info_.image_height;
    reader.too_many_scans_ = scans > kMaxScans || (scans > 4 && scans * pixels > kMaxScannedPixels);
    if (reader.too_many_scans_ || reader.stopped()) std::longjmp(reader.escape_.where, 1);
  }

  static std::uint8_t times(unsigned a, unsigned b) {  // a · b / 255, rounded
    const unsigned product = a * b + 128;
    return static_cast<std::uint8_t>(((product >> 8) + product) >> 8);
  }
  static void to_rgb(const std::uint8_t* inverted, std::uint8_t* rgb) {
    const unsigned light = inverted[3];
    for (int i = 0; i < 3; ++i) {
      rgb[i] = static_cast<std::uint8_t>(light - times(255u - inverted[i], light));
    }
  }

  Escape escape_{};
  Watch watch_{};
  jpeg_decompress_struct info_{};
  const std::stop_token& stop_;
  bool too_many_scans_ = false;
};

std::unexpected<Error> why(const Reader& reader) {
  if (reader.stopped()) return fail(ErrorKind::cancelled, "The client left.");
  if (reader.too_many_scans()) return damaged("JPEG", "it has too many scans for its size");
  std::string message = reader.message();
  while (message.ends_with('.')) message.pop_back();
  return damaged("JPEG", message.empty() ? "it cannot be read" : message);
}

bool is_readable(const jpeg_decompress_struct& info) {
  return info.num_components == 1 || info.num_components == 3 || info.num_components == 4;
}

class Writer {
 public:
  Writer() {
    set_up(escape_);
    info_.err = &escape_.manager;
  }
  ~Writer() {
    jpeg_destroy_compress(&info_);
    std::free(out_);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  bool write(const Image& picture, int quality) {
    if (setjmp(escape_.where)) return false;
    jpeg_create_compress(&info_);
    jpeg_mem_dest(&info_, &out_, &size_);
    info_.image_width = static_cast<JDIMENSION>(picture.width);
    info_.image_height = static_cast<JDIMENSION>(picture.height);
    info_.input_components = 3;
    info_.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, quality, TRUE);
    jpeg_start_compress(&info_, TRUE);
    while (info_.next_scanline < info_.image_height) {
      JSAMPROW row = const_cast<JSAMPROW>(picture.rgb.data()) +
                     std::size_t{3} * info_.image_width * info_.next_scanline;
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return true;
  }
  std::string bytes() const { return {reinterpret_cast<const char*>(out_), size_}; }

 private:
  Escape escape_{};
  jpeg_compress_struct info_{};
  unsigned char* out_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

Result<Decoded> decode_jpeg(std::span<const std::byte> encoded, const std::stop_token& stop) {
  Reader reader(stop);
  if (!reader.read_header(encoded)) return why(reader);
  const jpeg_decompress_struct& info = reader.info();
  if (auto ok = check_size(info.image_width, info.image_height); !ok) return pass(ok);
  if (!is_readable(info)) {
    return damaged("JPEG", "it has " + std::to_string(info.num_components) + " colour channels");
  }
  Decoded decoded{.orientation = reader.orientation()};
  if (!reader.start()) return why(reader);
  Image& image = decoded.image;
  image.width = static_cast<int>(info.output_width);
  image.height = static_cast<int>(info.output_height);
  image.rgb.resize(std::size_t{3} * info.output_width * info.output_height);
  bool done = false;
  if (info.num_components == 4) {
    std::vector<std::uint8_t> row(std::size_t{4} * info.output_width);
    done = reader.read_cmyk(image.rgb.data(), row.data());
  } else {
    done = reader.read_rgb(image.rgb.data());
  }
  if (!done) return why(reader);
  return decoded;
}

Result<std::string> encode_jpeg(const Image& picture, int quality) {
  Writer writer;
  if (!writer.write(picture, std::clamp(quality, 1, 100))) {
    return fail(ErrorKind::internal, "The picture could not be written as JPEG.");
  }
  return writer.bytes();
}

}  // namespace millrace::image
