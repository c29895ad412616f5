// open_gguf: one file, or all parts of a split one.
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "base/file.h"
#include "weights/file_errors.h"
#include "weights/gguf_checks.h"
#include "weights/gguf_header.h"
#include "weights/gguf_split.h"
#include "weights/guarded_file.h"
#include "weights/mapped_weights.h"
#include "weights/weight_file.h"

namespace millrace::weights {
namespace {

// Reads split.no, split.count or split.tensors.count; any integer width, never negative.
std::optional<std::int64_t> split_field(const GgufHeader& header, std::string_view key) {
  const auto found = header.metadata.find(key);
  if (found == header.metadata.end()) return std::nullopt;
  if (const auto* number = std::get_if<std::uint64_t>(&found->second)) {
    if (std::in_range<std::int64_t>(*number)) return static_cast<std::int64_t>(*number);
  }
  if (const auto* number = std::get_if<std::int64_t>(&found->second)) return *number;
  return std::nullopt;
}

Status check_split_fields(const GgufHeader& header, std::int64_t index, std::int64_t count) {
  const auto stated_count = split_field(header, "split.count");
  const auto stated_index = split_field(header, "split.no");
  if (count == 1 && !stated_count) return {};
  if (stated_count.value_or(1) != count) {
    return bad_file("split.count does not agree with its name (" + std::to_string(count) +
                    (count == 1 ? " part)" : " parts)"));
  }
  if (count > 1 && stated_index != index) {
    return bad_file("split.no is not " + std::to_string(index));
  }
  return {};
}

// Adds one part; the first part's metadata are the model's.
Status add_part(MappedWeights& weights, const std::filesystem::path& path, std::int64_t index,
                std::int64_t count) {
  auto file = GuardedFile::open(path);
  if (!file) return pass(file);
  const std::string name = file->name();
  auto header = parse_gguf(file->bytes());
  if (!header) return in_file(name, std::move(header.error()));
  if (auto split = check_split_fields(*header, index, count); !split) {
    return in_file(name, std::move(split.error()));
  }
  for (auto& tensor : header->tensors) {
    if (!weights.add_tensor(tensor.name, tensor.view)) {
      return in_file(
          name, bad_file("tensor " + shown_name(tensor.name) + " occurs in two parts").error());
    }
  }
  if (index == 0) weights.mutable_metadata() = std::move(header->metadata);
  weights.add_file(std::move(*file));
  return {};
}

Status check_tensor_count(const MappedWeights& weights) {
  const auto stated = meta_int(weights, "split.tensors.count");
  if (stated && *stated != static_cast<std::int64_t>(weights.names().size())) {
    return bad_file("split.tensors.count is " + std::to_string(*stated) + ", but the parts hold " +
                    std::to_string(weights.names().size()));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<WeightFile>> open_gguf(const std::filesystem::path& file) {
  const std::string name = file.filename().string();
  const auto split = parse_split_name(name);
  const std::int64_t count = split ? split->count : 1;
  if (split && split->index != 0) {
    return in_file(name, bad_file("this is a later part of a split model; open its first part, " +
                                  split_name(*split, 0))
                             .error());
  }
  auto weights = std::make_unique<MappedWeights>();
  for (std::int64_t i = 0; i < count; ++i) {
    auto path = file;
    if (i > 0) {  // siblings must be plain files of the same folder
      auto sibling = resolve_beneath(file.parent_path(), split_name(*split, i));
      if (!sibling) return in_file(name, std::move(sibling.error()));
      path = *sibling;
    }
    if (auto added = add_part(*weights, path, i, count); !added) return pass(added);
  }
  if (auto whole = check_tensor_count(*weights); !whole) return in_file(name, whole.error());
  if (auto sane = check_gguf_fields(*weights); !sane) return in_file(name, sane.error());
  if (auto intact = weights->still_intact(); !intact) return pass(intact);
  return weights;
}

}  // namespace millrace::weights
