// Result<T>: how every call that can fail for an expected reason says so. Nothing above the files
// that name a third-party library throws; our own bugs are CHECKs (base/check.h).
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace millrace {

// Ten kinds; api/errors.cc holds the one table from these to HTTP and gRPC codes.
enum class ErrorKind : std::uint8_t {
  invalid_argument,   // the caller's request or file is wrong; `param` names the field
  unauthenticated,    // no key, or a wrong one
  not_found,          // no such model, route, job
  conflict,           // the same name or key already means something else
  too_large,          // over a limit of the table of limits
  rate_limited,       // this caller's quota; retry later
  unavailable,        // full, loading, draining or failed: the server's state, not the request
  deadline_exceeded,  // the request's own deadline passed first
  cancelled,          // the caller went away
  internal,           // our bug or a failing device
};

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message{};  // for people: what was wrong, where, what to do; never a path of ours
  std::string param{};    // the request field, as the dialect spells it; may be empty
  std::string code{};     // machine-readable, e.g. "context_length_exceeded"; may be empty
  std::int64_t retry_after_ms = 0;  // > 0: a Retry-After belongs in the answer
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

// `return fail(ErrorKind::not_found, "…")` from any function that returns a Result.
inline std::unexpected<Error> fail(ErrorKind kind, std::string message, std::string param = {},
                                   std::string code = {}) {
  return std::unexpected(Error{kind, std::move(message), std::move(param), std::move(code)});
}
inline std::unexpected<Error> invalid(std::string message, std::string param = {},
                                      std::string code = {}) {
  return fail(ErrorKind::invalid_argument, std::move(message), std::move(param), std::move(code));
}
// Hands an error on: `if (!r) return pass(r);`
template <class T>
std::unexpected<Error> pass(Result<T>& failed) {
  return std::unexpected(std::move(failed.error()));
}

}  // namespace millrace
