// Reading a parsed config.pbtxt by the names of its fields. Errors name file, line and field;
// fields that nobody reads are warned about.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "serving/pbtxt.h"

namespace millrace::serving {

// Where a field was read from, and what is to be said about the file.
struct PbtxtSource {
  std::string file{};
  std::vector<std::string>* warnings = nullptr;

  std::unexpected<Error> wrong(const PbtxtField& field, std::string_view what) const;
  void ignored(const PbtxtField& field, std::string_view why) const;
};

Status read_pbtxt(const PbtxtSource& source, const PbtxtField& field, std::string& out);
Status read_pbtxt(const PbtxtSource& source, const PbtxtField& field, bool& out);
// A whole number between the two limits.
Result<std::int64_t> read_pbtxt_integer(const PbtxtSource& source, const PbtxtField& field,
                                        std::int64_t min, std::int64_t max);
Result<double> read_pbtxt_number(const PbtxtSource& source, const PbtxtField& field);
Status expect_message(const PbtxtSource& source, const PbtxtField& field);

// Hands every field of `message` to the reader of its name, in order. Fields without one are
// warned about.
using PbtxtReader = std::function<Status(const PbtxtField&)>;
Status read_fields(const PbtxtSource& source, const PbtxtMessage& message,
                   std::initializer_list<std::pair<std::string_view, PbtxtReader>> readers);

}  // namespace millrace::serving
