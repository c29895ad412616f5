#include "app/text_tokens.h"

#include <fmt/format.h>

#include "base/file.h"
#include "serving/text_model.h"

namespace millrace::app {

Result<std::vector<TokenId>> read_text_tokens(const std::string& file,
                                              const backends::ModelFolder& folder,
                                              std::size_t fewest, std::size_t most) {
  constexpr std::size_t kMaxTextBytes = std::size_t{256} << 20;
  const auto text = read_file(file, kMaxTextBytes);
  if (!text) return invalid("--text " + file + ": " + text.error().message);
  const auto built = serving::TextModel::build(folder.text);
  if (!built) return std::unexpected(built.error());
  std::vector<TokenId> tokens = (*built)->tokenizer().encode(
      *text, {.add_special_tokens = false, .parse_special_tokens = false});
  if (tokens.size() > most) tokens.resize(most);
  if (tokens.size() < fewest) {
    return invalid(
        fmt::format("--text {}: too short, {} tokens of at least {}", file, tokens.size(), fewest));
  }
  return tokens;
}

}  // namespace millrace::app
