#include "net/request_parser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <tuple>
#include <utility>
#include <vector>

#include "net/malformed_requests.h"

namespace millrace::net {
namespace {

using Phase = RequestParser::Phase;

// Everything that a split could change, of all messages in the input.
struct Reading {
  std::vector<std::tuple<std::string, std::string, std::string, std::string, std::string>> requests;
  Phase last = Phase::request_line;
  int status = 0;
  bool between_messages = false;
  std::string message;
  bool operator==(const Reading&) const = default;
};

std::string joined(const Headers& headers) {
  std::string all;
  for (const auto& [name, value] : headers) all += name + "=" + value + "\n";
  return all;
}

// `next` gives the size of the next piece.
template <class Next>
Reading read_in_pieces(std::string_view bytes, const Next& next) {
  const HttpLimits limits;
  RequestParser parser(limits);
  Reading reading;
  std::size_t pos = 0;
  while (pos < bytes.size()) {
    std::string_view piece = bytes.substr(pos, std::max<std::size_t>(next(), 1));
    while (!piece.empty() && parser.phase() != Phase::failed) {
      const std::size_t taken = parser.feed(piece);
      pos += taken;
      piece.remove_prefix(taken);
      if (parser.phase() == Phase::head_done) parser.begin_body(std::size_t{8} << 20);
      if (parser.phase() != Phase::done) continue;
      HttpRequest& request = parser.request();
      reading.requests.emplace_back(request.method, request.path, request.query,
                                    joined(request.headers), request.body);
      parser.reset();
    }
    if (parser.phase() == Phase::failed) break;
  }
  reading.last = parser.phase();
  reading.status = parser.error_status();
  reading.between_messages = parser.untouched();
  reading.message = parser.error_message();
  return reading;
}

Reading read_whole(std::string_view bytes) {
  return read_in_pieces(bytes, [&] { return bytes.size(); });
}

// One at a time, every split in two where that is cheap, and random ones.
void expect_same_for_any_split(const std::string& bytes) {
  const Reading whole = read_whole(bytes);
  EXPECT_EQ(read_in_pieces(bytes, [] { return 1; }), whole) << bytes.substr(0, 300);
  for (std::size_t first = 1; first < bytes.size() && bytes.size() < 600; ++first) {
    std::size_t step = first;
    const auto in_two = [&] { return std::exchange(step, bytes.size()); };
    ASSERT_EQ(read_in_pieces(bytes, in_two), whole) << "split at " << first << " of " << bytes;
  }
  std::mt19937 random(static_cast<unsigned>(bytes.size()));
  for (int i = 0; i < 5; ++i) {
    const auto piece = [&] { return std::size_t{1} << (random() % 14); };
    ASSERT_EQ(read_in_pieces(bytes, piece), whole) << bytes.substr(0, 300);
  }
}

TEST(RequestParser, reads_method_target_fields_and_body) {
  const HttpLimits limits;
  RequestParser parser(limits);
  EXPECT_TRUE(parser.untouched());
  const std::string_view head =
      "POST /v1/mod%65ls/a%2Fb?x=%20y HTTP/1.1\r\nHost: h:1\r\nX-Two: a\r\nx-two:  b \r\n"
      "Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n";
  EXPECT_EQ(parser.feed(std::string(head) + "hel"), head.size());
  ASSERT_EQ(parser.phase(), Phase::head_done);
  EXPECT_EQ(parser.request().method, "POST");
  EXPECT_EQ(parser.request().path, "/v1/models/a/b");
  EXPECT_EQ(parser.route_path(), "/v1/mod%65ls/a%2Fb");
  EXPECT_EQ(parser.request().query, "x=%20y");
  EXPECT_EQ(parser.request().header("X-TWO"), "a, b");
  EXPECT_EQ(parser.request().header("absent"), "");
  EXPECT_TRUE(parser.expects_continue());
  EXPECT_TRUE(parser.keep_alive());
  EXPECT_TRUE(parser.has_body());
  parser.begin_body(5);
  EXPECT_EQ(parser.phase(), Phase::body);
  EXPECT_EQ(parser.feed("helloGET"), 5U);
  EXPECT_EQ(parser.phase(), Phase::done);
  EXPECT_EQ(parser.request().body, "hello");
  parser.reset();
  EXPECT_TRUE(parser.untouched());
  EXPECT_EQ(parser.request().path, "");
}

// Gives `text` in pieces of random sizes; every third time there is nothing yet.
class PiecesStream final : public ByteStream {
 public:
  explicit PiecesStream(std::string_view text) : rest_(text) {}
  ssize_t read(char* data, std::size_t size) override {
    most_asked = std::max(most_asked, size);
    if (++calls_ % 3 == 0) {
      errno = EAGAIN;
      return -1;
    }
    const std::size_t piece = std::min({size, rest_.size(), std::size_t{1} << (random_() % 19)});
    std::memcpy(data, rest_.data(), piece);
    rest_.remove_prefix(piece);
    return static_cast<ssize_t>(piece);
  }
  ssize_t write(const iovec*, std::size_t) override { return -1; }
  void end_of_output() override {}
  int fd() const override { return -1; }
  std::string_view rest() const { return rest_; }

  std::size_t most_asked = 0;

 private:
  std::string_view rest_;
  std::mt19937 random_{3};
  int calls_ = 0;
};

TEST(RequestParser, reads_a_body_where_it_stays) {
  for (const std::size_t size : {1u, 100u, 70'000u, 602'112u, 5'000'000u}) {
    std::string body(size, '\0');
    for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<char>(i * 7 + i / 251);
    const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ";
    const HttpLimits limits;
    RequestParser parser(limits);
    EXPECT_FALSE(parser.takes_body());
    parser.feed(head + std::to_string(size) + "\r\n\r\n");
    parser.begin_body(size);
    const std::size_t fed = parser.feed(std::string_view(body).substr(0, size / 10));
    EXPECT_EQ(parser.num_body_bytes(), fed);
    const std::string all = body + "GET /next";
    PiecesStream pieces(std::string_view(all).substr(fed));
    while (parser.takes_body()) {
      const ssize_t got = parser.read_body(pieces);
      ASSERT_TRUE(got > 0 || errno == EAGAIN);
    }
    ASSERT_EQ(parser.phase(), Phase::done);
    EXPECT_EQ(parser.request().body, body);
    EXPECT_EQ(pieces.rest(), "GET /next") << "of the next request nothing is taken";
    EXPECT_LE(pieces.most_asked, std::size_t{1} << 20);
  }
}

// Who declares much and sends little must not hold memory for what is declared.
TEST(RequestParser, room_for_a_body_grows_with_what_came) {
  const HttpLimits limits;
  RequestParser parser(limits);
  parser.feed("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60000000\r\n\r\n");
  parser.begin_body(std::size_t{64} << 20);
  const std::string some(300'000, 'x');
  PiecesStream pieces(some);
  while (parser.num_body_bytes() < some.size()) (void)parser.read_body(pieces);
  EXPECT_LE(parser.request().body.capacity(), std::size_t{2} << 20);
  EXPECT_TRUE(parser.takes_body());
}

TEST(RequestParser, a_chunked_body_is_fed) {
  const HttpLimits limits;
  RequestParser parser(limits);
  parser.feed("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  parser.begin_body(100);
  EXPECT_EQ(parser.phase(), Phase::body);
  EXPECT_FALSE(parser.takes_body());
}

TEST(RequestParser, knows_when_the_connection_stays_open) {
  const std::vector<std::tuple<std::string, std::string, bool>> cases = {
      {"1.1", "", true},
      {"1.1", "Connection: close\r\n", false},
      {"1.1", "Connection: Upgrade , CLOSE\r\n", false},
      {"1.1", "Connection: keep-alive\r\nConnection: close\r\n", false},
      {"1.1", "Connection: closed\r\n", true},
      {"1.0", "", false},
      {"1.0", "Connection: keep-alive\r\n", true},
      {"1.0", "Connection: keep-alive, close\r\n", false},
  };
  for (const auto& [version, fields, stays] : cases) {
    const HttpLimits limits;
    RequestParser parser(limits);
    parser.feed("GET / HTTP/" + version + "\r\nHost: a\r\n" + fields + "\r\n");
    ASSERT_EQ(parser.phase(), Phase::head_done);
    EXPECT_EQ(parser.keep_alive(), stays) << version << " " << fields;
  }
}

TEST(RequestParser, refuses_a_declared_body_over_the_limit_before_reading_it) {
  const HttpLimits limits;
  for (const std::size_t limit : {4U, 5U}) {
    RequestParser parser(limits);
    parser.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    parser.begin_body(limit);
    EXPECT_EQ(parser.phase(), limit == 4 ? Phase::failed : Phase::body);
    EXPECT_EQ(parser.error_status(), limit == 4 ? 413 : 0);
  }
}

TEST(RequestParser, holds_the_limits_to_the_byte) {
  HttpLimits limits;
  limits.max_header_bytes = 100;
  for (const std::size_t size : {100U, 101U}) {
    RequestParser parser(limits);
    std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n";
    head.insert(head.size() - 4, size - head.size(), 'x');
    parser.feed(head);
    EXPECT_EQ(parser.phase(), size == 100 ? Phase::head_done : Phase::failed);
    EXPECT_EQ(parser.error_status(), size == 100 ? 0 : 431);
  }
  limits = {};
  limits.max_target_bytes = 10;
  for (const std::size_t size : {10U, 11U}) {
    RequestParser parser(limits);
    parser.feed("GET /" + std::string(size - 1, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(parser.error_status(), size == 10 ? 0 : 414);
  }
  limits = {};
  limits.max_headers = 2;
  RequestParser parser(limits);
  parser.feed("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\n");
  EXPECT_EQ(parser.error_status(), 431);
}

TEST(RequestParser, reads_the_same_for_any_split) {
  for (const MalformedRequest& test : malformed_requests()) {
    SCOPED_TRACE(test.group + ": " + test.name.substr(0, 60));
    expect_same_for_any_split(test.bytes);
    if (::testing::Test::HasFatalFailure()) return;
  }
  const std::string post =
      "POST /e?q HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;x=\"y\"\r\nhello\r\n1\r\n \r\n0\r\nSum: 1\r\n\r\n";
  const std::string get = "\r\nGET /a%20b HTTP/1.1\r\nhost:a\r\nX: y z\r\n\r\n";
  const std::string sized = "PUT / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc";
  expect_same_for_any_split(post + get + sized + get);
  EXPECT_EQ(read_whole(post + get + sized + get).requests.size(), 4U);
}

// ---- corpora of other projects, where the data folder is at hand ----

std::filesystem::path corpus_folder() {
  const char* data = std::getenv("MILLRACE_DATA");
  const std::filesystem::path root =
      data ? data : std::filesystem::path(MILLRACE_SOURCE_DIR) / "../shared/data";
  return root / "E_conformance/http1";
}

// llhttp's notation: lines end in CRLF, a backslash joins lines, escapes are spelt out.
std::string unescape(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') {
      out += "\r\n";
    } else if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
    } else {
      const char kind = text[++i];
      if (kind == 'r') out += '\r';
      if (kind == 'n') out += '\n';
      if (kind == 't') out += '\t';
      if (kind == 'f') out += '\f';
      if (kind == '\\') out += '\\';
      if (kind == 'x') {
        out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
        i += 2;
      }
    }
  }
  return out;
}

std::string block_after(const std::string& text, const std::string& fence, std::size_t& pos) {
  const std::size_t begin = text.find(fence, pos);
  if (begin == std::string::npos) return pos = begin, "";
  const std::size_t end = text.find("\n```", begin);
  pos = end;
  return text.substr(begin + fence.size(), end - begin - fence.size());
}

TEST(RequestParser, refuses_what_llhttp_refuses) {
  const auto folder = corpus_folder() / "llhttp_request";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder;
  int num_cases = 0;
  int num_refused = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    std::stringstream whole;
    whole << std::ifstream(file.path()).rdbuf();
    const std::string text = whole.str();
    for (std::size_t pos = 0; pos != std::string::npos;) {
      const std::size_t meta = text.find("<!-- meta=", pos);
      if (meta == std::string::npos) break;
      const std::string kind = text.substr(meta, text.find("-->", meta) - meta);
      pos = meta;
      const std::string bytes = unescape(block_after(text, "```http\n", pos));
      if (pos == std::string::npos) break;
      const std::string log = block_after(text, "```log\n", pos);
      ++num_cases;
      expect_same_for_any_split(bytes);
      const std::size_t error = log.find(" error code=");
      const auto says = [&](const char* word) {
        return log.find(word, error) != std::string::npos;
      };
      if (kind.find("lenient") != std::string::npos || error == std::string::npos || says("ause") ||
          says("reason=\"on_") || says("Invalid method")) {  // our router knows the methods
        continue;
      }
      ++num_refused;
      EXPECT_FALSE(read_whole(bytes).between_messages) << file.path().filename() << ": accepted\n"
                                                       << bytes << "\n"
                                                       << log;
    }
  }
  EXPECT_GT(num_cases, 100);
  EXPECT_GT(num_refused, 50);
}

TEST(RequestParser, reads_fuzzing_corpora_the_same_for_any_split) {
  const auto folder = corpus_folder();
  const auto unpacked = std::filesystem::temp_directory_path() /
                        ("millrace_http_corpus_" + std::to_string(std::random_device{}()));
  std::filesystem::create_directories(unpacked);
  int num_files = 0;
  for (const char* name : {"h2o_http1_corpus.tar.xz", "gofuzz_httpreq_httpresp.tar.xz"}) {
    if (!std::filesystem::exists(folder / name)) continue;
    const std::string command =
        "tar -xJf '" + (folder / name).string() + "' -C '" + unpacked.string() + "' 2>/dev/null";
    if (std::system(command.c_str()) != 0) continue;
  }
  for (const auto& file : std::filesystem::recursive_directory_iterator(unpacked)) {
    if (!file.is_regular_file()) continue;
    std::stringstream whole;
    whole << std::ifstream(file.path(), std::ios::binary).rdbuf();
    const std::string bytes = whole.str();
    const Reading reading = read_whole(bytes);
    EXPECT_EQ(read_in_pieces(bytes, [] { return 1; }), reading) << file.path().filename();
    EXPECT_EQ(read_in_pieces(bytes, [] { return 7; }), reading) << file.path().filename();
    ++num_files;
  }
  std::filesystem::remove_all(unpacked);
  if (num_files == 0) GTEST_SKIP() << "no corpora in " << folder << ", or no tar and xz";
  EXPECT_GT(num_files, 1'000);
}

}  // namespace
}  // namespace millrace::net
