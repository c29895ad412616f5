// Named parameters of a request, an input or an output, as every wire has them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "api/json_reader.h"
#include "api/kserve/label.h"
#include "base/result.h"

namespace millrace::api {

// Names and texts are views of the message.
class Parameters {
 public:
  using Item = std::pair<std::string_view, JsonScalar>;

  void add(std::string_view name, JsonScalar value) { items_.emplace_back(name, value); }
  const JsonScalar* find(std::string_view name) const;  // null: it is not there
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

 private:
  std::vector<Item> items_;  // a few; names differ
};

// Empty where there is none of that name; invalid_argument where it is something else. `label`:
// whose parameters they are.
Result<std::optional<std::int64_t>> integer_in(const Parameters& from, std::string_view name,
                                               std::int64_t min, std::int64_t max,
                                               const Label& label);
Result<std::optional<bool>> flag_in(const Parameters& from, std::string_view name,
                                    const Label& label);

}  // namespace millrace::api
