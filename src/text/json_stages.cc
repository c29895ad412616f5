#include "text/json_stages.h"

#include <algorithm>
#include <optional>

#include "text/json_fields.h"
#include "text/splitters.h"

namespace millrace::text {
namespace {

constexpr std::size_t kMaxStages = 32;
constexpr std::string_view kDefaultMetaspace = "\xE2\x96\x81";  // ▁

class NormalizerReader {
 public:
  Status add(const json::value& component, const std::string& path) {
    const auto type = type_field(component, path);
    if (!type) return std::unexpected(type.error());
    const json::object& object = component.get_object();
    if (*type == "Sequence") return add_all(object, path);
    if (*type == "Replace") return add_replace(object, path);
    if (*type == "Prepend") return add_prepend(object, path);
    if (*type == "Strip") return add_strip(object, path);
    return add_plain(*type, path);
  }
  Result<Normalizer> build() { return Normalizer::build(std::move(steps_)); }

 private:
  using Kind = NormalizerStep::Kind;

  Status add_all(const json::object& object, const std::string& path) {
    const auto list = array_field(object, "normalizers", path);
    if (!list) return std::unexpected(list.error());
    for (std::size_t i = 0; i < (*list)->size(); ++i) {
      const std::string where = item_path(path, "normalizers", i);
      if (i >= Normalizer::kMaxSteps) return bad_field(where, "too many normalizers");
      if (Status ok = add((**list)[i], where); !ok) return ok;
    }
    return {};
  }
  Status add_replace(const json::object& object, const std::string& path) {
    auto pattern = read_pattern(object, path);
    if (!pattern) return std::unexpected(pattern.error());
    auto content = string_field(object, "content", "", path);
    if (!content) return std::unexpected(content.error());
    NormalizerStep step{.kind = Kind::replace, .content = std::move(*content)};
    if (!pattern->is_regex) {
      step.literal = std::move(pattern->text);
    } else {
      auto regex = Regex::compile(pattern->text);
      if (!regex) return bad_field(path + ".pattern", regex.error().message);
      step.pattern = std::make_shared<const Regex>(std::move(*regex));
    }
    steps_.push_back(std::move(step));
    return {};
  }
  Status add_prepend(const json::object& object, const std::string& path) {
    auto content = string_field(object, "prepend", "", path);
    if (!content) return std::unexpected(content.error());
    steps_.push_back({.kind = Kind::prepend, .content = std::move(*content)});
    return {};
  }
  Status add_strip(const json::object& object, const std::string& path) {
    const auto left = bool_field(object, "strip_left", true, path);
    if (!left) return std::unexpected(left.error());
    const auto right = bool_field(object, "strip_right", true, path);
    if (!right) return std::unexpected(right.error());
    if (*left) steps_.push_back({.kind = Kind::strip_left});
    if (*right) steps_.push_back({.kind = Kind::strip_right});
    return {};
  }
  Status add_plain(const std::string& type, const std::string& path) {
    if (type == "NFC") {
      steps_.push_back({.kind = Kind::form, .form = NormalForm::nfc});
    } else if (type == "NFD") {
      steps_.push_back({.kind = Kind::form, .form = NormalForm::nfd});
    } else if (type == "NFKC") {
      steps_.push_back({.kind = Kind::form, .form = NormalForm::nfkc});
    } else if (type == "NFKD") {
      steps_.push_back({.kind = Kind::form, .form = NormalForm::nfkd});
    } else if (type == "Lowercase") {
      steps_.push_back({.kind = Kind::lower_case});
    } else if (type == "StripAccents") {
      steps_.push_back({.kind = Kind::strip_marks});
    } else {
      return bad_field(path + ".type", quoted(type) + " is not supported");
    }
    return {};
  }

  std::vector<NormalizerStep> steps_;
};

Result<SplitBehavior> read_behavior(const json::object& object, const std::string& path) {
  const auto name = string_field(object, "behavior", "Isolated", path);
  if (!name) return std::unexpected(name.error());
  if (*name == "Removed") return SplitBehavior::removed;
  if (*name == "Isolated") return SplitBehavior::isolated;
  if (*name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (*name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (*name == "Contiguous") return SplitBehavior::contiguous;
  return bad_field(path + ".behavior", quoted(*name) + " is not known");
}

class PretokenizerReader {
 public:
  Status add(const json::value& component, const std::string& path) {
    const auto type = type_field(component, path);
    if (!type) return std::unexpected(type.error());
    const json::object& object = component.get_object();
    if (*type == "Sequence") return add_all(object, path);
    if (*type == "ByteLevel") return add_byte_level(object, path);
    if (*type == "Split") return add_split(object, path);
    if (*type == "Digits") return add_digits(object, path);
    if (*type == "Metaspace") return add_metaspace(object, path);
    if (*type == "Punctuation") {
      const auto behavior = read_behavior(object, path);
      if (!behavior) return std::unexpected(behavior.error());
      return add_stage(make_class_splitter(kPunctuation | kAsciiSymbol, *behavior));
    }
    if (*type == "WhitespaceSplit") {
      return add_stage(make_class_splitter(kSpace, SplitBehavior::removed));
    }
    if (*type == "Whitespace")
      return add_regex("\\w+|[^\\w\\s]+", SplitBehavior::removed, true, path);
    return bad_field(path + ".type", quoted(*type) + " is not supported");
  }
  JsonPretokenizer take() { return std::move(out_); }

 private:
  Status add_all(const json::object& object, const std::string& path) {
    const auto list = array_field(object, "pretokenizers", path);
    if (!list) return std::unexpected(list.error());
    for (std::size_t i = 0; i < (*list)->size(); ++i) {
      const std::string where = item_path(path, "pretokenizers", i);
      if (out_.stages.size() >= kMaxStages) return bad_field(where, "too many pre-tokenizers");
      if (Status ok = add((**list)[i], where); !ok) return ok;
    }
    return {};
  }
  // Behind ByteLevel the text is in the byte alphabet.
  Status add_stage(std::unique_ptr<Splitter> stage) {
    last_is_single_digits_ = false;
    if (out_.byte_level) stage = make_byte_alphabet_splitter(std::move(stage));
    out_.stages.push_back(std::move(stage));
    return {};
  }
  Status add_regex(const std::string& pattern, SplitBehavior behavior, bool invert,
                   const std::string& path) {
    auto stage = make_regex_splitter(pattern, behavior, invert);
    if (!stage) return bad_field(path + ".pattern", stage.error().message);
    return add_stage(std::move(*stage));
  }
  Status add_split(const json::object& object, const std::string& path) {
    const auto pattern = read_pattern(object, path);
    if (!pattern) return std::unexpected(pattern.error());
    const auto behavior = read_behavior(object, path);
    if (!behavior) return std::unexpected(behavior.error());
    const auto invert = bool_field(object, "invert", false, path);
    if (!invert) return std::unexpected(invert.error());
    if (pattern->is_regex) return add_regex(pattern->text, *behavior, *invert, path);
    return add_stage(make_literal_splitter(pattern->text, *behavior, *invert));
  }
  Status add_digits(const json::object& object, const std::string& path) {
    const auto individual = bool_field(object, "individual_digits", false, path);
    if (!individual) return std::unexpected(individual.error());
    Status ok = add_stage(make_class_splitter(
        kNumber, *individual ? SplitBehavior::isolated : SplitBehavior::contiguous));
    last_is_single_digits_ = *individual && !out_.byte_level;
    return ok;
  }
  Status add_byte_level(const json::object& object, const std::string& path) {
    const auto add_space = bool_field(object, "add_prefix_space", true, path);
    if (!add_space) return std::unexpected(add_space.error());
    const auto use_regex = bool_field(object, "use_regex", true, path);
    if (!use_regex) return std::unexpected(use_regex.error());
    if (out_.byte_level) return bad_field(path, "a second ByteLevel is not supported");
    if (*add_space) {
      if (!out_.stages.empty()) {
        return bad_field(path + ".add_prefix_space", "supported in the first pre-tokenizer only");
      }
      out_.preparation.prefix = PiecePreparation::Prefix::every_piece;
    }
    if (*use_regex && last_is_single_digits_) {
      out_.stages.back() = make_digits_then_gpt2_splitter();
    } else if (*use_regex) {
      out_.stages.push_back(make_gpt2_splitter());
    }
    last_is_single_digits_ = false;
    out_.byte_level = true;
    return {};
  }
  Status add_metaspace(const json::object& object, const std::string& path) {
    using Prefix = PiecePreparation::Prefix;
    if (!out_.stages.empty() || out_.byte_level) {
      return bad_field(path, "supported as the first pre-tokenizer only");
    }
    auto space = string_field(object, "replacement", std::string(kDefaultMetaspace), path);
    if (!space) return std::unexpected(space.error());
    if (space->empty() || space->size() > 4)
      return bad_field(path + ".replacement", "not a character");
    const auto old_prefix = bool_field(object, "add_prefix_space", true, path);
    if (!old_prefix) return std::unexpected(old_prefix.error());
    const auto scheme =
        string_field(object, "prepend_scheme", *old_prefix ? "always" : "never", path);
    if (!scheme) return std::unexpected(scheme.error());
    const auto splits = bool_field(object, "split", true, path);
    if (!splits) return std::unexpected(splits.error());
    if (*scheme == "always") {
      out_.preparation.prefix = Prefix::every_piece;
    } else if (*scheme == "first") {
      out_.preparation.prefix = Prefix::first_piece;
    } else if (*scheme != "never") {
      return bad_field(path + ".prepend_scheme", quoted(*scheme) + " is not known");
    }
    out_.preparation.space = *space;
    out_.has_metaspace = true;
    if (*splits) add_stage(make_literal_splitter(*space, SplitBehavior::merged_with_next, false));
    return {};
  }

  JsonPretokenizer out_;
  bool last_is_single_digits_ = false;
};

}  // namespace

Result<Normalizer> read_normalizer(const json::value& component, const std::string& path) {
  NormalizerReader reader;
  if (const Status ok = reader.add(component, path); !ok) return std::unexpected(ok.error());
  auto normalizer = reader.build();
  if (!normalizer) return bad_field(path, normalizer.error().message);
  return normalizer;
}

Result<JsonPretokenizer> read_pretokenizer(const json::value& component, const std::string& path) {
  PretokenizerReader reader;
  if (const Status ok = reader.add(component, path); !ok) return std::unexpected(ok.error());
  return reader.take();
}

}  // namespace millrace::text
