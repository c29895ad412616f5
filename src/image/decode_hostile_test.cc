// Pictures made to hurt. Each is refused with the right code, or read within the limits.
#include <gtest/gtest.h>
#include <zlib.h>

#include <functional>
#include <random>

#include "image/decode.h"
#include "image/encode.h"
#include "image/golden_files.h"

namespace millrace::image {
namespace {

using Bytes = std::string;

std::string outcome(const Bytes& file) {
  const auto decoded = decode(std::as_bytes(std::span(file)));
  if (decoded) return "read";
  EXPECT_EQ(decoded.error().kind, ErrorKind::invalid_argument) << decoded.error().message;
  EXPECT_FALSE(decoded.error().message.empty());
  return decoded.error().code;
}

Bytes big(std::uint32_t value, int bytes = 4) {
  Bytes out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

// --- PNG

Bytes chunk(const std::string& type, const Bytes& data) {
  const Bytes body = type + data;
  const auto sum =
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big(static_cast<std::uint32_t>(data.size())) + body + big(static_cast<std::uint32_t>(sum));
}

Bytes deflated(const Bytes& data) {
  auto size = compressBound(data.size());
  Bytes out(size, '\0');
  compress2(reinterpret_cast<Bytef*>(out.data()), &size,
            reinterpret_cast<const Bytef*>(data.data()), data.size(), 9);
  out.resize(size);
  return out;
}

const Bytes kPngMark = "\x89PNG\r\n\x1a\n";

Bytes header(std::uint32_t width, std::uint32_t height, int depth = 8, int colour = 2,
             int interlace = 0) {
  return chunk("IHDR", big(width) + big(height) + static_cast<char>(depth) +
                           static_cast<char>(colour) + Bytes(2, '\0') +
                           static_cast<char>(interlace));
}

struct Png {
  Bytes head = header(8, 8);
  Bytes between = {};
  Bytes data = chunk("IDAT", deflated(Bytes(8 * (1 + 24), '\0')));
  Bytes end = chunk("IEND", "");
  Bytes file() const { return kPngMark + head + between + data + end; }
};

Bytes png_with(const std::function<void(Png&)>& change) {
  Png png;
  change(png);
  return png.file();
}

// --- JPEG

Bytes golden_file(const std::string& name) {
  const json::value cases = golden("decode");
  for (const json::value& c : cases.as_array()) {
    if (c.at("name").as_string() != name) continue;
    const auto file = from_hex(c.at("file").as_string());
    return {file.begin(), file.end()};
  }
  ADD_FAILURE() << "no golden '" << name << "'";
  return {};
}

std::size_t marker(const Bytes& file, char code, std::size_t from = 2) {
  const auto at = file.find(Bytes("\xff") + code, from);
  EXPECT_NE(at, Bytes::npos);
  return at;
}

Bytes jpeg() {
  return golden_file("jpeg 4:4:4");
}

// Height and width of the frame header.
Bytes jpeg_of_size(std::uint32_t width, std::uint32_t height) {
  Bytes file = jpeg();
  file.replace(marker(file, '\xc0') + 5, 4, big(height, 2) + big(width, 2));
  return file;
}

Bytes changed(Bytes file, std::size_t at, const Bytes& bytes) {
  return file.replace(at, bytes.size(), bytes);
}

// A progressive file whose first scan comes again and again.
Bytes with_scans(int count) {
  const Bytes file = golden_file("jpeg progressive");
  const std::size_t begin = marker(file, '\xda');
  std::size_t end = begin + 2;  // of the scan's data: the next marker
  do {
    end = file.find('\xff', end + 1);
  } while (file[end + 1] == '\0');
  const Bytes scan = file.substr(begin, end - begin);
  Bytes out = file.substr(0, begin);
  for (int i = 0; i < count; ++i) out += scan;
  return out + file.substr(end);
}

Bytes with_app_segments(int count, const Bytes& content) {
  const Bytes file = jpeg();
  Bytes segments;
  for (int i = 0; i < count; ++i) {
    segments += "\xff\xe2" + big(static_cast<std::uint32_t>(content.size() + 2), 2) + content;
  }
  return file.substr(0, 2) + segments + file.substr(2);
}

struct Case {
  const char* name;
  std::string expected;  // a code, or "read"
  Bytes file;
};

std::vector<Case> jpeg_cases() {
  const Bytes good = jpeg();
  const std::size_t frame = marker(good, '\xc0');
  const std::size_t scan = marker(good, '\xda');
  const std::size_t table = marker(good, '\xc4');
  const std::size_t quant = marker(good, '\xdb');
  const std::string bad = kInvalidImage;
  return {
      {"1 x 1", bad, jpeg_of_size(1, 1)},
      {"3 x 100", bad, jpeg_of_size(3, 100)},
      {"no width", bad, jpeg_of_size(0, 10)},
      {"no height", bad, jpeg_of_size(10, 0)},
      {"65535 x 65535 in a few bytes", bad, jpeg_of_size(65535, 65535)},
      {"8193 x 8", bad, jpeg_of_size(8193, 8)},
      {"8192 x 8192", bad, jpeg_of_size(8192, 8192)},
      {"more rows than data", bad, jpeg_of_size(17, 4000)},
      {"only the mark", bad, Bytes("\xff\xd8\xff")},
      {"cut in the header", bad, good.substr(0, frame + 6)},
      {"cut in the data", bad, good.substr(0, scan + 40)},
      {"no scan", bad, good.substr(0, scan) + "\xff\xd9"},
      {"12 bits", bad, changed(good, frame + 4, "\x0c")},
      {"2 channels", bad, changed(good, frame + 9, "\x02")},
      {"200 channels", bad, changed(good, frame + 9, "\xc8")},
      {"sampling factor 0", bad, changed(good, frame + 11, Bytes(1, '\0'))},
      {"lossless", bad, changed(good, frame + 1, "\xc3")},
      {"a Huffman table of 4,080 codes", bad, changed(good, table + 5, Bytes(16, '\xff'))},
      {"a Huffman table that is missing", bad, changed(good, scan + 6, "\x33")},
      {"a quantisation table that is missing", bad, changed(good, frame + 12, "\x03")},
      {"a quantisation table of no kind", bad, changed(good, quant + 4, "\xff")},
      {"a segment longer than the file", bad, changed(good, table + 2, "\xff\xff")},
      {"a segment of no length", bad, changed(good, table + 2, Bytes(2, '\0'))},
      {"data of one bits", bad, good.substr(0, scan + 14) + Bytes(300, '\xff') + "\xff\xd9"},
      {"50 scans", "read", with_scans(50)},
      {"1,000 scans", bad, with_scans(1000)},
      {"a profile of 16 MiB", "read", with_app_segments(256, Bytes(65000, 'x'))},
      {"Exif of nothing", "read",
       good.substr(0, 2) + "\xff\xe1" + big(8, 2) + Bytes("Exif\0\0", 6) + good.substr(2)},
      {"something behind the end", "read", good + Bytes(1000, 'x')},
      {"more than 20 MiB", bad, good + Bytes(kMaxEncodedBytes, 'x')},
  };
}

std::vector<Case> png_cases() {
  const Bytes bomb = deflated(Bytes(std::size_t{40} << 20, '\0'));
  const Bytes text_bomb = Bytes("k\0\0", 3) + bomb;
  const std::string bad = kInvalidImage;
  const auto with = png_with;
  return {
      {"as it should be", "read", Png().file()},
      {"1 x 1", bad, with([](Png& p) { p.head = header(1, 1); })},
      {"no width", bad, with([](Png& p) { p.head = header(0, 8); })},
      {"2^31 wide", bad, with([](Png& p) { p.head = header(0x80000000u, 8); })},
      {"2^32 - 1 high", bad, with([](Png& p) { p.head = header(8, 0xffffffffu); })},
      {"8192 x 8192", bad, with([](Png& p) { p.head = header(8192, 8192); })},
      {"more rows than data", bad, with([](Png& p) { p.head = header(8, 4000); })},
      {"data that unpack to 1,000 times", "read",
       with([&](Png& p) { p.data = chunk("IDAT", bomb); })},
      {"text that unpacks to 40 MiB", "read",
       with([&](Png& p) { p.between = chunk("zTXt", text_bomb); })},
      {"a profile that unpacks to 40 MiB", "read",
       with([&](Png& p) { p.between = chunk("iCCP", text_bomb); })},
      {"international text of no form", "read",
       with([](Png& p) { p.between = chunk("iTXt", "\xff\xff\xff"); })},
      {"10,000 texts", "read", with([](Png& p) {
         for (int i = 0; i < 10'000; ++i) p.between += chunk("tEXt", Bytes("k\0v", 3));
       })},
      {"a wrong sum", bad, with([](Png& p) { p.data.back() ^= 1; })},
      {"a wrong sum of the header", bad, with([](Png& p) { p.head.back() ^= 1; })},
      {"a palette that is missing", bad, with([](Png& p) { p.head = header(8, 8, 8, 3); })},
      {"a palette of half a colour", bad, with([](Png& p) {
         p.head = header(8, 8, 8, 3);
         p.between = chunk("PLTE", "ab");
       })},
      {"a colour behind the palette", bad, with([](Png& p) {
         p.head = header(8, 8, 8, 3);
         p.between = chunk("PLTE", "abc");
         p.data = chunk("IDAT", deflated(Bytes(8 * 9, '\7')));
       })},
      {"transparency of no sense", "read",
       with([](Png& p) { p.between = chunk("tRNS", Bytes(300, 'x')); })},
      {"a depth of 3", bad, with([](Png& p) { p.head = header(8, 8, 3, 0); })},
      {"a colour type of 1", bad, with([](Png& p) { p.head = header(8, 8, 8, 1); })},
      {"interlacing of no kind", bad, with([](Png& p) { p.head = header(8, 8, 8, 2, 2); })},
      {"interlaced, but the data are not", bad,
       with([](Png& p) { p.head = header(8, 8, 8, 2, 1); })},
      {"a filter of no kind", bad,
       with([](Png& p) { p.data = chunk("IDAT", deflated(Bytes(8 * 25, '\x9'))); })},
      {"no data", bad, with([](Png& p) { p.data.clear(); })},
      {"data that are not packed", bad,
       with([](Png& p) { p.data = chunk("IDAT", "not zlib at all"); })},
      {"no end", bad, with([](Png& p) { p.end.clear(); })},
      {"a chunk of 2^31 bytes", bad,
       with([](Png& p) { p.between = big(0x80000000u) + "tEXtabcd"; })},
      {"a chunk of 2^32 - 1 bytes", bad,
       with([](Png& p) { p.between = big(0xffffffffu) + "IDATabcd"; })},
      {"an unknown critical chunk", bad, with([](Png& p) { p.between = chunk("ABCD", "x"); })},
      {"frames of an animation", "read", with([](Png& p) {
         p.between = chunk("acTL", big(1000) + big(0)) + chunk("fcTL", Bytes(26, '\0'));
       })},
      {"two headers", bad, with([](Png& p) { p.between = p.head; })},
      {"the data before the header", bad, with([](Png& p) { std::swap(p.head, p.data); })},
      {"only the mark", bad, kPngMark},
  };
}

std::vector<Case> other_cases() {
  const Bytes webp = golden_file("webp lossless");
  Bytes animated = Bytes("RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x07\0\0\x07\0\0", 30);
  const std::string bad = kInvalidImage, other = kUnsupportedMedia;
  return {
      {"nothing", bad, ""},
      {"a WebP that is cut", bad, webp.substr(0, webp.size() / 2)},
      {"a WebP of a header alone", bad, webp.substr(0, 16)},
      {"a WebP with a huge chunk", bad, changed(webp, 16, "\xff\xff\xff\x7f")},
      {"a WebP that is an animation", other, animated},
      {"GIF", other, "GIF89a\x01\x00\x01\x00"},
      {"SVG", other, "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"},
      {"SVG with a prologue", other, "<?xml version=\"1.0\"?><svg/>"},
      {"TIFF", other, Bytes("II*\0\x08\0\0\0", 8)},
      {"PDF", other, "%PDF-1.7"},
      {"BMP", other, "BM\x36\x00"},
      {"text", other, "hello"},
      {"zeros", other, Bytes(100, '\0')},
      {"a PNG's mark with a bit changed", other, changed(Png().file(), 1, "Q")},
  };
}

TEST(HostilePictures, EachHasItsAnswer) {
  std::size_t count = 0;
  for (const auto& cases : {jpeg_cases(), png_cases(), other_cases()}) {
    for (const Case& c : cases) EXPECT_EQ(outcome(c.file), c.expected) << c.name;
    count += cases.size();
  }
  EXPECT_GE(count, 70u);
}

TEST(HostilePictures, WhatIsCutIsNeverRead) {
  for (const char* name : {"jpeg 4:2:0", "jpeg cmyk", "jpeg progressive", "png rgb",
                           "png palette of 4 bits", "webp lossless", "webp lossy"}) {
    const Bytes file = golden_file(name);
    // Two bytes less than all: a JPEG without its end mark is a cut one.
    for (std::size_t size = 0; size + 1 < file.size(); ++size) {
      EXPECT_NE(outcome(file.substr(0, size)), "read") << name << " cut to " << size;
    }
  }
}

TEST(HostilePictures, RandomChangesAreReadOrRefused) {
  std::mt19937 random(11);
  const json::value cases = golden("decode");
  for (const json::value& c : cases.as_array()) {
    const auto file = from_hex(c.at("file").as_string());
    for (int i = 0; i < 300; ++i) {
      Bytes copy(file.begin(), file.end());
      for (int j = 0; j < 4; ++j) copy[random() % copy.size()] = static_cast<char>(random());
      const auto decoded = decode(std::as_bytes(std::span(copy)));
      if (!decoded) continue;
      EXPECT_EQ(decoded->rgb.size(),
                static_cast<std::size_t>(3 * decoded->width * decoded->height));
    }
  }
}

}  // namespace
}  // namespace millrace::image
