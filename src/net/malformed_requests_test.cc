// The cases of http_malformed_test.cc, in groups.
#include <random>
#include <utility>

#include "net/malformed_requests.h"

namespace millrace::net {
namespace {

constexpr const char* kGood = "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr const char* kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

class CaseList {
 public:
  std::vector<MalformedRequest> cases;

  void add(std::string group, std::string name, std::string bytes, int status) {
    cases.push_back({std::move(group), std::move(name), std::move(bytes), status});
  }
  // A POST to /echo with these field lines and what follows the head.
  void post(const std::string& group, const std::string& fields, const std::string& body,
            int status) {
    add(group, fields, "POST /echo HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body, status);
  }
  void field(const std::string& name, const std::string& fields, int status) {
    add("fields", name, "GET /ok HTTP/1.1\r\n" + fields + "\r\n", status);
  }
  void chunks(const std::string& name, const std::string& body, int status) {
    add("chunks", name,
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body, status);
  }
  void line(const std::string& name, const std::string& bytes, int status) {
    add("lines", name, bytes, status);
  }
  void target(const std::string& name, const std::string& target, int status) {
    add("target", name, "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n", status);
  }
};

void add_smuggling(CaseList& list) {
  const std::string group = "smuggling";
  const std::string after = "0\r\n\r\n" + std::string(kSmuggled);
  const std::string five = "hello" + std::string(kSmuggled);
  list.post(group, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", after, 400);
  list.post(group, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", after, 400);
  list.post(group, "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", after, 400);
  list.post(group, "Content-Length: 5\r\nContent-Length: 6\r\n", five, 400);
  list.post(group, "Content-Length: 5\r\nContent-Length: 5\r\n", five, 400);
  list.post(group, "Content-Length: 5\r\ncontent-length: 5\r\n", five, 400);
  list.post(group, "Content-Length: 5\r\nContent_Length: 50\r\n", five, 400);
  list.post(group, "Content_Length: 5\r\n", five, 400);
  list.post(group, "Transfer_Encoding: chunked\r\n", after, 400);
  list.post(group, "Transfer-Encoding: chunked\r\nTransfer_Encoding: x\r\n", after, 400);
  for (const char* value : {"5, 5",
                            "5,5",
                            "+5",
                            "-1",
                            "0x5",
                            "005",
                            "00",
                            "5 ",
                            "5\t",
                            "\t5",
                            "  5",
                            "5,6",
                            "5 6",
                            "",
                            "12345678901234567890",
                            "9999999999999999999",
                            "18446744073709551621",
                            "5.0",
                            "5e0",
                            "5;",
                            "\"5\"",
                            "five",
                            "\xD9\xA5",
                            "5\v",
                            "5,"}) {
    list.post(group, "Content-Length: " + std::string(value) + "\r\n", five, 400);
  }
  list.post(group, "Content-Length : 5\r\n", five, 400);
  list.post(group, " Content-Length: 5\r\n", five, 400);
  list.post(group, "Content-Length:\r\n 5\r\n", five, 400);
}

void add_codings(CaseList& list) {
  const std::string group = "smuggling";
  const std::string after = "0\r\n\r\n" + std::string(kSmuggled);
  for (const char* value : {"xchunked",
                            "chunked ",
                            "chunked\t",
                            "\tchunked",
                            "  chunked",
                            "chunked, chunked",
                            "chunked,",
                            ",chunked",
                            "identity",
                            "gzip, chunked",
                            "chunked, gzip",
                            "chunked, identity",
                            "identity, chunked",
                            "chunked;q=1",
                            "chunked;",
                            "",
                            "chunke",
                            "\"chunked\"",
                            "\vchunked",
                            "chunked\v",
                            "chun\tked",
                            "gzip",
                            "deflate",
                            "chunked gzip",
                            "trailers"}) {
    list.post(group, "Transfer-Encoding: " + std::string(value) + "\r\n", after, 400);
  }
  list.post(group, std::string("Transfer-Encoding: chunked\0\r\n", 29), after, 400);
  list.post(group, std::string("Transfer-Encoding: \0chunked\r\n", 29), after, 400);
  list.post(group, "Transfer-Encoding : chunked\r\n", after, 400);
  list.post(group, "Transfer-Encoding\t: chunked\r\n", after, 400);
  list.post(group, "Transfer-Encoding\r\n: chunked\r\n", after, 400);
  list.post(group, "Transfer-Encoding:\r\n chunked\r\n", after, 400);
  list.post(group, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", after, 400);
  list.post(group, "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", after, 400);
  list.post(group, "X: y\nTransfer-Encoding: chunked\r\n", after, 400);
  list.post(group, "X: y\rTransfer-Encoding: chunked\r\n", after, 400);
  list.add(group, "chunked in HTTP/1.0",
           "POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + after, 400);
}

void add_chunks(CaseList& list) {
  const std::string end = "0\r\n\r\n";
  for (const char* size : {"0x5", "-1", "+5", "5 ", " 5", "\t5", "G", "5G", "", "5,5", "\"5\"",
                           "10000000000000005", "00000000000000005"}) {
    list.chunks("size " + std::string(size), std::string(size) + "\r\nhello\r\n" + end, 400);
  }
  list.chunks("size over the limit", "FFFFFFFF\r\nhello\r\n" + end, 413);
  list.chunks("largest size", "FFFFFFFFFFFFFFFF\r\nhello\r\n" + end, 413);
  list.chunks("sum wraps round", "5\r\nhello\r\nFFFFFFFFFFFFFFFE\r\nhello\r\n" + end, 413);
}

void add_chunk_lines(CaseList& list) {
  const std::string end = "0\r\n\r\n";
  // Another byte where CR or LF belongs: right but for that, so that only the check refuses it.
  list.chunks("CR without LF after the size", "5\rXhello\r\n" + end, 400);
  list.chunks("CR without LF after an extension", "5;a\rXhello\r\n" + end, 400);
  list.chunks("CR without LF after the data", "5\r\nhello\rX" + end, 400);
  list.chunks("LF without CR after the data", "5\r\nhelloX\n" + end, 400);
  list.chunks("CR without LF after a trailer", "0\r\nX: y\rZA: b\r\n\r\n", 400);
  list.chunks("CR without LF at the end", "0\r\n\rX", 400);
  list.chunks("no CRLF after data", "5\r\nhello5\r\nworld\r\n" + end, 400);
  list.chunks("data longer than its size", "4\r\nhello\r\n" + end, 400);
  list.chunks("data shorter than its size", "6\r\nhello\r\n" + end, 400);
  list.chunks("bare LF after the size", "5\nhello\r\n" + end, 400);
  list.chunks("bare LF after the data", "5\r\nhello\n" + end, 400);
  list.chunks("bare CR after the data", "5\r\nhello\r5\r\nworld\r\n" + end, 400);
  list.chunks("bare LF in the last chunk", "5\r\nhello\r\n0\n\n", 400);
  list.chunks("bare LF at the very end", "5\r\nhello\r\n0\r\n\n", 400);
  list.chunks("extension of 257 bytes", "5;" + std::string(257, 'x') + "\r\nhello\r\n" + end, 400);
  list.chunks("extension of 100 KB", "5;" + std::string(100'000, 'x') + "\r\nhello\r\n" + end, 400);
  list.chunks("extension with bare CR", "5;a=\rb\r\nhello\r\n" + end, 400);
  list.chunks("extension with bare LF", "5;a=\nb\r\nhello\r\n" + end, 400);
  list.chunks("extension with NUL", std::string("5;a\0b\r\nhello\r\n", 14) + end, 400);
  list.chunks("extension after a space", "5 ;a\r\nhello\r\n" + end, 400);
  for (const char* text :
       {"", "=b", "a=", "a b", "a;", "a=\"b", "a=\"b\"c", "a=b=c", "a=(b)", " a"}) {
    list.chunks("extension " + std::string(text), "5;" + std::string(text) + "\r\nhello\r\n" + end,
                400);
  }
  std::string many;
  for (int i = 0; i < 65'537; ++i) many += "1\r\nx\r\n";
  list.chunks("65,537 chunks", many + end, 413);
  list.chunks("trailers of 4 KiB and more", "0\r\nX: " + std::string(4096, 'x') + "\r\n\r\n", 431);
  for (const char* name : {"Content-Length", "Transfer-Encoding", "Host", "Authorization",
                           "content-length", "Content-Type", "Cookie", "Trailer"}) {
    list.chunks("trailer " + std::string(name),
                "5\r\nhello\r\n0\r\n" + std::string(name) + ": 5\r\n\r\n", 400);
  }
  list.chunks("trailer with a space before the colon", "0\r\nX : y\r\n\r\n", 400);
  list.chunks("trailer that is folded", "0\r\nX: y\r\n z\r\n\r\n", 400);
  list.chunks("trailer without a colon", "0\r\nXy\r\n\r\n", 400);
  list.chunks("trailer with a bare LF", "0\r\nX: y\n\r\n", 400);
  list.chunks("trailer with a bare CR", "0\r\nX: y\rZ: a\r\n\r\n", 400);
  list.chunks("trailer with NUL", std::string("0\r\nX: \0\r\n\r\n", 11), 400);
}

void add_lines(CaseList& list) {
  const std::string host = "Host: a\r\n\r\n";
  list.line("bare LF after the request line", "GET /ok HTTP/1.1\n" + host, 400);
  list.line("bare LF everywhere", "GET /ok HTTP/1.1\nHost: a\n\n", 400);
  list.line("bare LF at the end of the head", "GET /ok HTTP/1.1\r\nHost: a\r\n\n", 400);
  list.line("CR without LF after the request line", "GET /ok HTTP/1.1\rX" + host, 400);
  list.line("CR without LF after a field", "GET /ok HTTP/1.1\r\nHost: a\rX\r\n", 400);
  list.line("bare CR in the request line", "GET /ok\rHTTP/1.1\r\n" + host, 400);
  list.line("bare CR after the request line", "GET /ok HTTP/1.1\r" + host, 400);
  list.line("bare CR in a field", "GET /ok HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", 400);
  list.line("CR CR LF", "GET /ok HTTP/1.1\r\r\n" + host, 400);
  list.line("folded field", "GET /ok HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400);
  list.line("folded with tab", "GET /ok HTTP/1.1\r\nHost: a\r\nX: y\r\n\tz\r\n\r\n", 400);
  list.line("folded first line", "GET /ok HTTP/1.1\r\n Host: a\r\n\r\n", 400);
  list.line("two blank lines before", "\r\n\r\n" + std::string(kGood), 400);
  list.line("blank LF before", "\n" + std::string(kGood), 400);
  list.line("space before", " GET /ok HTTP/1.1\r\n" + host, 400);
  list.line("two spaces after the method", "GET  /ok HTTP/1.1\r\n" + host, 400);
  list.line("two spaces after the target", "GET /ok  HTTP/1.1\r\n" + host, 400);
  list.line("space at the end", "GET /ok HTTP/1.1 \r\n" + host, 400);
  list.line("tab after the method", "GET\t/ok HTTP/1.1\r\n" + host, 400);
  list.line("tab after the target", "GET /ok\tHTTP/1.1\r\n" + host, 400);
  list.line("vertical tab", "GET\v/ok HTTP/1.1\r\n" + host, 400);
  list.line("no version", "GET /ok\r\n" + host, 400);
  list.line("only a method", "GET\r\n" + host, 400);
  list.line("empty target", "GET  HTTP/1.1\r\n" + host, 400);
  list.line("four words", "GET /ok HTTP/1.1 x\r\n" + host, 400);
  for (const char* version : {"HTTP/1.2", "HTTP/2.0", "HTTP/3.0", "HTTP/0.9"}) {
    list.line(version, "GET /ok " + std::string(version) + "\r\n" + host, 505);
  }
  for (const char* version : {"HTTP/9", "http/1.1", "Http/1.1", "HTTP/1", "HTTP/1.10", "HTTP/01.1",
                              "HTTP/1,1", "HTTP/1.x", "HTTP1.1", "HTTPS/1.1", "RTSP/1.0", "ICE/1.0",
                              "HTTP/-1.1", "HTTP/+1.1", "1.1"}) {
    list.line(version, "GET /ok " + std::string(version) + "\r\n" + host, 400);
  }
  list.line("absolute form", "GET http://a/ok HTTP/1.1\r\n" + host, 400);
  list.line("absolute form of another host", "GET http://b/ok HTTP/1.1\r\n" + host, 400);
  list.line("authority form", "GET a:80 HTTP/1.1\r\n" + host, 400);
  list.line("no leading slash", "GET ok HTTP/1.1\r\n" + host, 400);
  list.line("* on GET", "GET * HTTP/1.1\r\n" + host, 400);
  list.line("* on POST", "POST * HTTP/1.1\r\nContent-Length: 0\r\n" + host, 400);
  list.line("fragment", "GET /ok#top HTTP/1.1\r\n" + host, 400);
  list.line("fragment after a query", "GET /ok?a#top HTTP/1.1\r\n" + host, 400);
  list.line("method with a control byte", "G\x01T /ok HTTP/1.1\r\n" + host, 400);
  list.line("method that is no token", "G(T /ok HTTP/1.1\r\n" + host, 400);
  list.line("method with a colon", "GET: /ok HTTP/1.1\r\n" + host, 400);
  list.line("method of 100 bytes", std::string(100, 'A') + " /ok HTTP/1.1\r\n" + host, 400);
  list.line("method of 100 KB", std::string(100'000, 'A') + " /ok HTTP/1.1\r\n" + host, 400);
}

void add_fields(CaseList& list) {
  const std::string host = "Host: a\r\n";
  list.field("no Host", "", 400);
  list.field("two Hosts", host + "Host: b\r\n", 400);
  list.field("the same Host twice", host + host, 400);
  for (const char* value :
       {"user@a",  "user:pw@a", "a,b",  "a b",      "a/b",      "a\\b", "a?b",
        "a#b",     "",          "a:b",  "a:123456", "[::1",     "::1",  "[]",
        "[gg::1]", "a\tb",      "a%00", ":80",      "http://a", "<a>",  "a\xC3\xA9"}) {
    list.field("Host " + std::string(value), "Host: " + std::string(value) + "\r\n", 400);
  }
  list.field("NUL in a value", host + std::string("X: \0\r\n", 6), 400);
  list.field("NUL in a name", host + std::string("X\0: y\r\n", 7), 400);
  for (const char byte : {'\x01', '\x07', '\x08', '\x0B', '\x0C', '\x1B', '\x1F', '\x7F'}) {
    list.field("control byte in a value", host + "X: a" + byte + "b\r\n", 400);
    list.field("control byte in a name", host + "X" + byte + ": b\r\n", 400);
  }
  list.field("non-ASCII name", host + "X-\xC3\xA9: y\r\n", 400);
  list.field("empty name", host + ": y\r\n", 400);
  list.field("space in a name", host + "X Y: z\r\n", 400);
  list.field("space before the colon", host + "X : z\r\n", 400);
  list.field("no colon", host + "X\r\n", 400);
  for (const char mark : std::string("()<>@,;\\\"/[]?={}")) {
    list.field("delimiter in a name", host + "X" + mark + "Y: z\r\n", 400);
  }
  list.field("100 KB name", host + std::string(100'000, 'x') + ": y\r\n", 431);
  list.field("100 KB value", host + "X: " + std::string(100'000, 'x') + "\r\n", 431);
  list.field("value over a line", host + "X: " + std::string(8'300, 'x') + "\r\n", 431);
  std::string three;
  for (int i = 0; i < 3; ++i)
    three += "X" + std::to_string(i) + ": " + std::string(6'000, 'x') + "\r\n";
  list.field("head over 16 KiB", host + three, 431);
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += "A" + std::to_string(i) + ": b\r\n";
  list.field("10,000 fields", host + many, 431);
  std::string hundred;
  for (int i = 0; i < 100; ++i) hundred += "A" + std::to_string(i) + ":\r\n";
  list.field("101 fields", host + hundred, 431);
  list.field("two Authorizations", host + "Authorization: a\r\nAuthorization: b\r\n", 400);
  list.field("x_api_key beside x-api-key", host + "X-Api-Key: a\r\nX_Api_Key: b\r\n", 400);
  list.field("x_api_key", host + "X_Api_Key: b\r\n", 400);
  list.field("x-api_key", host + "X-Api_Key: b\r\n", 400);
  list.field("two keys", host + "x-api-key: a\r\nX-API-KEY: b\r\n", 400);
  list.field("two content types", host + "Content-Type: a/b\r\nContent-Type: a/c\r\n", 400);
  list.field("two expectations", host + "Expect: 100-continue\r\nExpect: 100-continue\r\n", 400);
}

void add_targets(CaseList& list) {
  list.target("100 KB", "/" + std::string(100'000, 'a'), 414);
  list.target("8 KiB and one", "/" + std::string(8'192, 'a'), 414);
  list.target("100 KB query", "/ok?" + std::string(100'000, 'a'), 414);
  list.target("NUL", std::string("/o\0k", 4), 400);
  list.target("control byte", "/o\x01k", 400);
  list.target("DEL", "/o\x7Fk", 400);
  list.target("raw UTF-8", "/\xC3\xA9", 400);
  list.target("raw UTF-8 in the query", "/ok?\xC3\xA9", 400);
  for (const char* target : {"/%00",
                             "/ok%00",
                             "/ok%0a",
                             "/ok%0D",
                             "/ok%1b",
                             "/ok%7f",
                             "/%2e%2e/ok",
                             "/%2E%2e",
                             "/%2e",
                             "/..",
                             "/../ok",
                             "/a/../ok",
                             "/a/..",
                             "/./ok",
                             "/a/./ok",
                             "/a/.",
                             "//ok",
                             "/a//ok",
                             "//",
                             "/ok//",
                             "/a%2F%2Fb",
                             "/a%2f..%2fb",
                             "/a%2f.%2fb",
                             "/\\ok",
                             "/a\\..\\ok",
                             "/%5cok",
                             "/a%5C..%5cb",
                             "/%c0%af",
                             "/%c0%ae%c0%ae/",
                             "/%e0%80%af",
                             "/%f0%80%80%af",
                             "/%ff",
                             "/%c3",
                             "/%ed%a0%80",
                             "/%f4%90%80%80",
                             "/%",
                             "/%4",
                             "/%zz",
                             "/%2",
                             "/%u0041",
                             "/ok%",
                             "/<script>",
                             "/\"",
                             "/{x}",
                             "/|",
                             "/^",
                             "/`",
                             "/a[b]",
                             "/ok?<",
                             "/ok?\"",
                             "/ok?\\"}) {
    list.target(target, target, 400);
  }
}

void add_bodies(CaseList& list) {
  const std::string group = "body";
  list.post(group, "Content-Length: 9000000\r\n", "x", 413);
  list.post(group, "Content-Length: 999999999999999999\r\n", "x", 413);
  list.post(group, "Content-Length: 9000000\r\nExpect: 100-continue\r\n", "", 413);
  list.post(group, "Content-Length: 5\r\nExpect: 200-ok\r\n", "hello", 417);
  list.post(group, "Content-Length: 5\r\nExpect: 100-continue, x\r\n", "hello", 417);
  list.post(group, "Content-Length: 5\r\nExpect:\r\n", "hello", 417);
  for (const char* coding : {"gzip", "deflate", "br", "zstd", "x-gzip", "identity, gzip", "GZIP"}) {
    list.post(group, "Content-Length: 5\r\nContent-Encoding: " + std::string(coding) + "\r\n",
              "hello" + std::string(kSmuggled), 415);
  }
  list.add(group, "CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405);
  list.add(group, "CONNECT to a path", "CONNECT /ok HTTP/1.1\r\nHost: a\r\n\r\n", 405);
  list.add(group, "body for another method",
           "DELETE /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 405);
  list.add(group, "body for nobody",
           "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 404);
  list.add(group, "body after an error is no request",
           "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n" + std::string(kSmuggled),
           400);
}

void add_junk(CaseList& list) {
  std::mt19937 random(7);
  for (int i = 0; i < 16; ++i) {
    std::string bytes;
    for (int k = 0; k < 256; ++k) bytes.push_back(static_cast<char>(random() & 0xFF));
    bytes[0] = static_cast<char>(0x80 | i);  // never a blank line or a method
    list.add("junk", "256 random bytes", bytes, 400);
  }
  const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  list.add("junk", "TLS ClientHello", hello + std::string(505, '\x41'), 400);
  list.add("junk", "HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400);
  list.add("junk", "Redis", "*1\r\n$4\r\nPING\r\n", 400);
  list.add("junk", "SSH", "SSH-2.0-OpenSSH_9.2\r\n", 400);
  list.add("junk", "JSON", "{\"model\":\"x\"}\r\n", 400);
  list.add("junk", "a response", "HTTP/1.1 200 OK\r\n\r\n", 400);
}

}  // namespace

std::vector<MalformedRequest> malformed_requests() {
  CaseList list;
  add_smuggling(list);
  add_codings(list);
  add_chunks(list);
  add_chunk_lines(list);
  add_lines(list);
  add_fields(list);
  add_targets(list);
  add_bodies(list);
  add_junk(list);
  return std::move(list.cases);
}

}  // namespace millrace::net
