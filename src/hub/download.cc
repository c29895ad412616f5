#include "hub/download.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "hub/part_file.h"
#include "hub/prefix_hasher.h"

namespace millrace::hub {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kStep(50);
constexpr milliseconds kCheckpointEvery(250);
constexpr milliseconds kLongestPause(30'000);
constexpr int kMaxRedirects = 10;

// "bytes 0-99/1000"
bool is_content_range(const std::string& header, const ByteRange& range, std::int64_t size) {
  return header == fmt::format("bytes {}-{}/{}", range.begin, range.end - 1, size);
}

struct Piece {
  ByteRange range;
  std::int64_t at = 0;  // next byte to come
  bool whole = false;   // asked for without a range
  std::string url{};    // asked for there
};

class Download {
 public:
  Download(const RemoteFile& file, std::string token, PartFile& part,
           const DownloadOptions& options)
      : file_(file),
        options_(options),
        part_(part),
        http_(options.times),
        hasher_(part, file.checksum.kind),
        url_(file.url),
        token_(std::move(token)) {
    plan();
  }

  Status run() {
    auto next_checkpoint = steady_clock::now() + kCheckpointEvery;
    while (!waiting_.empty() || !running_.empty()) {
      if (options_.stop && options_.stop->load()) {
        return fail(ErrorKind::cancelled, "interrupted; run the same command again to go on");
      }
      start_more();
      for (HttpOutcome& outcome : http_.step(kStep)) {
        if (Status taken = take(outcome); !taken) return taken;
      }
      hasher_.advance(part_.present().prefix());
      if (options_.progress) options_.progress(part_.present().total());
      if (steady_clock::now() >= next_checkpoint) {
        if (Status saved = part_.checkpoint(); !saved) return saved;
        next_checkpoint = steady_clock::now() + kCheckpointEvery;
      }
    }
    return check_and_finish();
  }

 private:
  // Few bytes or no ranges: one request for everything that is missing.
  void plan() {
    waiting_.clear();
    const std::int64_t piece =
        no_ranges_ ? std::max<std::int64_t>(file_.size, 1) : options_.piece_bytes;
    for (const ByteRange& gap : part_.present().gaps(file_.size, piece)) {
      waiting_.push_back({.range = gap, .at = gap.begin, .whole = gap.size() == file_.size});
    }
    std::ranges::reverse(waiting_);  // taken from the back
  }

  void start_more() {
    if (steady_clock::now() < not_before_) return;
    // Until an answer with bytes came the address may still change: one connection.
    const auto limit = static_cast<std::size_t>(settled_ && !no_ranges_ ? options_.connections : 1);
    while (!waiting_.empty() && running_.size() < limit) {
      Piece piece = waiting_.back();
      waiting_.pop_back();
      start(piece);
    }
  }

  void start(const Piece& piece) {
    HttpRequest request{.url = url_, .bearer = token_};
    if (!piece.whole) request.range = fmt::format("{}-{}", piece.at, piece.range.end - 1);
    auto shared = std::make_shared<Piece>(piece);
    shared->url = url_;
    request.on_head = [this, shared](const HttpHead& head) { return check_head(head, *shared); };
    request.on_body = [this, shared](std::span<const std::byte> bytes) {
      return take_bytes(bytes, *shared);
    };
    running_.emplace(http_.start(std::move(request)), shared);
  }

  Status check_head(const HttpHead& head, const Piece& piece) {
    if (head.status == 206 && !piece.whole) {
      if (!is_content_range(head.header("content-range"), {piece.at, piece.range.end}, file_.size))
        return changed("another range or size than asked for");
    } else if (head.status == 200) {
      if (!piece.whole) {
        no_ranges_ = true;
        return fail(ErrorKind::unavailable, "no ranges", {}, "no_ranges");
      }
      const std::string length = head.header("content-length");
      if (!length.empty() && length != fmt::format("{}", file_.size))
        return changed(fmt::format("{} bytes instead of {}", length, file_.size));
    }
    if (head.status == 200 || head.status == 206) {
      settled_ = true;
      num_redirects_ = 0;
    }
    return {};
  }

  std::unexpected<Error> changed(const std::string& how) const {
    return fail(ErrorKind::conflict,
                fmt::format("{}: the server sends {}; the file may have changed meanwhile: run the "
                            "command again",
                            file_.name, how),
                {}, "changed");
  }

  Status take_bytes(std::span<const std::byte> bytes, Piece& piece) {
    if (piece.at + static_cast<std::int64_t>(bytes.size()) > piece.range.end)
      return changed("more bytes than it said");
    if (Status written = part_.write(piece.at, bytes); !written) return written;
    piece.at += static_cast<std::int64_t>(bytes.size());
    num_failures_ = 0;
    return {};
  }

  Status take(HttpOutcome& outcome) {
    const auto found = running_.find(outcome.id);
    const Piece piece = *found->second;
    running_.erase(found);
    if (outcome.failure && outcome.failure->code == "no_ranges") return start_over();
    if (piece.at < piece.range.end) put_back(piece);
    if (outcome.failure && !outcome.transient) return std::unexpected(*outcome.failure);
    if (outcome.failure) return try_again(*outcome.failure, 0);
    if (piece.at == piece.range.end) return {};
    if (piece.url != url_) return {};  // another connection has found the new address already
    if (!outcome.head.redirect_url.empty()) return follow(outcome.head.redirect_url);
    return take_refusal(outcome.head);
  }

  // The rest of a whole-file request is a range.
  void put_back(Piece piece) {
    piece.range.begin = piece.at;
    piece.whole = piece.range.size() == file_.size;
    if (no_ranges_ && !piece.whole) {
      static_cast<void>(start_over());
      return;
    }
    waiting_.push_back(piece);
  }

  Status start_over() {
    for (const auto& [id, piece] : running_) http_.cancel(id);
    running_.clear();
    hasher_.restart();
    if (Status cleared = part_.restart(); !cleared) return cleared;
    plan();
    return {};
  }

  Status follow(const std::string& target) {
    if (++num_redirects_ > kMaxRedirects)
      return fail(ErrorKind::unavailable, file_.name + ": the server redirects in a circle");
    if (host_of(target).empty() || (url_.starts_with("https:") && !target.starts_with("https:")))
      return fail(ErrorKind::unavailable,
                  file_.name + ": the server redirects to an unsafe address");
    if (!same_origin(url_, target)) token_.clear();  // for good
    url_ = target;
    return {};
  }

  Status take_refusal(const HttpHead& head) {
    const bool elsewhere = url_ != file_.url;
    Error error = error_of_status(head, url_, file_.name, !token_.empty());
    const bool short_answer = head.status == 200 || head.status == 206;
    if (head.status == 429 || head.status >= 500 || short_answer)
      return try_again(error, error.retry_after_ms);
    // A signed address has run out: ask the hub for a fresh one.
    if (elsewhere && head.status >= 400) {
      url_ = file_.url;
      token_ = hub_token_;
      settled_ = false;
      num_redirects_ = 0;
      return try_again(error, 0);
    }
    return std::unexpected(std::move(error));
  }

  Status try_again(const Error& error, std::int64_t wait_ms) {
    // Several connections that break at once are one failure.
    if (steady_clock::now() < not_before_) return {};
    if (++num_failures_ >= options_.tries) {
      Error last = error;
      last.message += fmt::format(
          "; gave up after {} tries. What arrived is kept: run the same command "
          "again to go on",
          options_.tries);
      return std::unexpected(std::move(last));
    }
    const auto pause = options_.first_pause * (1 << std::min(num_failures_ - 1, 6));
    not_before_ =
        steady_clock::now() + std::min(kLongestPause, std::max(pause, milliseconds(wait_ms)));
    return {};
  }

  Status check_and_finish() {
    const Checksum got = hasher_.finish(file_.size);
    if (got != file_.checksum) {
      part_.discard();
      return fail(ErrorKind::unavailable,
                  fmt::format("{}: what arrived is not what the hub promised ({} instead of {}); "
                              "nothing was kept, run the command again",
                              file_.name, describe(got), describe(file_.checksum)),
                  {}, "wrong_checksum");
    }
    return part_.finish();
  }

  const RemoteFile& file_;
  const DownloadOptions& options_;
  PartFile& part_;
  HttpClient http_;
  PrefixHasher hasher_;
  std::string url_, token_;
  const std::string hub_token_ = token_;
  std::vector<Piece> waiting_;
  std::map<int, std::shared_ptr<Piece>> running_;
  bool settled_ = false, no_ranges_ = false;
  int num_failures_ = 0, num_redirects_ = 0;
  steady_clock::time_point not_before_{};
};

}  // namespace

Error error_of_status(const HttpHead& head, const std::string& url, const std::string& what,
                      bool had_token) {
  const std::string host = host_of(url);
  Error error{.kind = ErrorKind::unavailable, .code = "http"};
  const std::string wait = head.header("retry-after");
  int seconds = 0;
  std::from_chars(wait.data(), wait.data() + wait.size(), seconds);
  error.retry_after_ms = std::clamp(seconds, 0, 3600) * std::int64_t{1000};
  switch (head.status) {
    case 401:
    case 403:
      error.kind = ErrorKind::unauthenticated;
      error.message =
          had_token
              ? fmt::format(
                    "{}: {} does not let this token read it ({}); accept the model's terms on "
                    "its page, or use another token",
                    what, host, head.status)
              : fmt::format(
                    "{}: {} asks who you are ({}), or there is no such model; give a token with "
                    "--token or HF_TOKEN",
                    what, host, head.status);
      return error;
    case 404:
      error.kind = ErrorKind::not_found;
      error.message = fmt::format("{}: {} has no such thing (404); check the spelling", what, host);
      return error;
    case 429:
      error.kind = ErrorKind::rate_limited;
      error.message = fmt::format("{}: {} takes no more requests for now (429)", what, host);
      return error;
    default:
      error.message = head.status == 200 || head.status == 206
                          ? fmt::format("{}: {} ended its answer early", what, host)
                          : fmt::format("{}: {} answers {}", what, host, head.status);
      return error;
  }
}

Status download(const RemoteFile& file, const std::string& token,
                const std::filesystem::path& final_path, const DownloadOptions& options) {
  auto part = PartFile::open(final_path, file.size, file.checksum);
  if (!part) return pass(part);
  return Download(file, token, *part, options).run();
}

}  // namespace millrace::hub
