#include "weights/safetensors_header.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "weights/byte_cursor.h"
#include "weights/file_errors.h"
#include "weights/tensor_ranges.h"

namespace millrace::weights {
namespace {

struct Info {
  std::string_view name;
  DType dtype = DType::f32;
  Shape shape;
  TensorRange range;
};

std::optional<DType> dtype_named(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, DType>, 13> kNames = {{
      {"F64", DType::f64},
      {"F32", DType::f32},
      {"F16", DType::f16},
      {"BF16", DType::bf16},
      {"I64", DType::i64},
      {"I32", DType::i32},
      {"I16", DType::i16},
      {"I8", DType::i8},
      {"U64", DType::u64},
      {"U32", DType::u32},
      {"U16", DType::u16},
      {"U8", DType::u8},
      {"BOOL", DType::boolean},
  }};
  for (const auto& [known, dtype] : kNames) {
    if (known == name) return dtype;
  }
  return std::nullopt;
}

std::string_view view_of(const json::string& text) {
  return {text.data(), text.size()};
}

// A JSON integer ≥ 0; fractions, exponents, strings and negative numbers are none.
std::optional<std::uint64_t> natural(const json::value& value) {
  if (const auto* number = value.if_int64()) {
    if (*number < 0) return std::nullopt;
    return static_cast<std::uint64_t>(*number);
  }
  if (const auto* number = value.if_uint64()) return *number;
  return std::nullopt;
}

Result<Shape> shape_of(const json::value* field, std::size_t max_dims) {
  const auto* dims = field ? field->if_array() : nullptr;
  if (!dims) return bad_file("shape is not an array");
  if (dims->size() > max_dims) {
    return bad_file(std::to_string(dims->size()) + " dimensions; at most " +
                    std::to_string(max_dims) + " are accepted");
  }
  std::array<std::int64_t, kMaxRank> shape{};
  for (std::size_t i = 0; i < dims->size(); ++i) {
    const auto dim = natural((*dims)[i]);
    if (!dim || !std::in_range<std::int64_t>(*dim)) {
      return bad_file("shape holds something that is not a size");
    }
    shape[i] = static_cast<std::int64_t>(*dim);
  }
  return Shape(std::span<const std::int64_t>(shape.data(), dims->size()));
}

Result<TensorRange> range_of(const json::value* field, std::uint64_t data_bytes) {
  const auto* offsets = field ? field->if_array() : nullptr;
  if (!offsets || offsets->size() != 2) return bad_file("data_offsets is not a pair");
  const auto begin = natural((*offsets)[0]);
  const auto end = natural((*offsets)[1]);
  if (!begin || !end) return bad_file("data_offsets holds something that is not an offset");
  if (*begin > *end) return bad_file("data_offsets end before they begin");
  const TensorRange range{*begin, *end - *begin};
  if (!range.is_inside(data_bytes)) return bad_file("data_offsets reach past the end of the file");
  return range;
}

Result<Info> read_info(const json::key_value_pair& entry, std::uint64_t data_bytes,
                       const SafetensorsLimits& limits) {
  Info info;
  info.name = {entry.key().data(), entry.key().size()};
  const auto wrong = [&](const std::string& what) {
    return bad_file("tensor " + shown_name(info.name) + ": " + what);
  };
  if (info.name.empty() || info.name.find('\0') != std::string_view::npos) {
    return wrong("this is not a name");
  }
  const auto* fields = entry.value().if_object();
  if (!fields) return wrong("its entry is not an object");
  for (const auto& field : *fields) {
    const std::string_view key(field.key().data(), field.key().size());
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      return wrong("unknown field " + shown_name(key));
    }
  }
  const auto* dtype_field = fields->if_contains("dtype");
  const auto* dtype_name = dtype_field ? dtype_field->if_string() : nullptr;
  if (!dtype_name) return wrong("dtype is not a string");
  const auto dtype = dtype_named(view_of(*dtype_name));
  if (!dtype) return wrong("dtype " + shown_name(view_of(*dtype_name)) + " is not supported");
  info.dtype = *dtype;
  auto shape = shape_of(fields->if_contains("shape"), limits.max_dims);
  if (!shape) return wrong(shape.error().message);
  info.shape = *shape;
  auto range = range_of(fields->if_contains("data_offsets"), data_bytes);
  if (!range) return wrong(range.error().message);
  info.range = *range;
  auto bytes = checked_tensor_bytes(info.dtype, info.shape);
  if (!bytes) return wrong(bytes.error().message);
  if (*bytes != info.range.size) {
    return wrong("its shape asks for " + std::to_string(*bytes) + " bytes, its data_offsets hold " +
                 std::to_string(info.range.size));
  }
  return info;
}

Status read_metadata(const json::value& field, SafetensorsHeader& header) {
  const auto* pairs = field.if_object();
  if (!pairs) return bad_file("__metadata__ is not an object");
  for (const auto& pair : *pairs) {
    const std::string key(pair.key().data(), pair.key().size());
    const auto* text = pair.value().if_string();
    if (!text) return bad_file("__metadata__ key " + shown_name(key) + " is not a string");
    header.metadata.emplace(key, std::string(view_of(*text)));
  }
  return {};
}

// What a U8 tensor holds by its entry in the metadata; the bytes stay as many.
Status read_kinds(SafetensorsHeader& header) {
  for (auto& tensor : header.tensors) {
    const auto found = header.metadata.find(std::string(kKindKey) + tensor.name);
    if (found == header.metadata.end()) continue;
    const auto wrong = [&](const std::string& what) {
      return bad_file("tensor " + shown_name(tensor.name) + ": " + what);
    };
    constexpr std::array kKinds = {DType::q4_1, DType::q4_g64, DType::q4_g128};
    const auto* kind = std::ranges::find(kKinds, found->second, dtype_name);
    if (kind == kKinds.end()) {
      return wrong("its kind " + shown_name(found->second) + " is not supported");
    }
    TensorView& view = tensor.view;
    const auto block = static_cast<std::int64_t>(dtype_block_bytes(*kind));
    if (view.dtype != DType::u8 || view.shape.rank() != 2 || view.shape[1] % block != 0) {
      return wrong("as " + found->second + " it would be U8 rows of whole blocks of " +
                   std::to_string(block) + " bytes");
    }
    const auto elements = static_cast<std::int64_t>(dtype_block_elements(*kind));
    const std::int64_t blocks = view.shape[1] / block;
    if (blocks > std::numeric_limits<std::int64_t>::max() / elements) {
      return wrong("its shape is too large");
    }
    const Shape shape{view.shape[0], blocks * elements};
    if (auto bytes = checked_tensor_bytes(*kind, shape); !bytes)
      return wrong(bytes.error().message);
    view = {view.data, *kind, shape};
  }
  return {};
}

// In the order of their offsets the tensors follow each other from the first byte to the last.
Status check_cover(std::vector<Info>& infos, std::uint64_t data_bytes) {
  std::ranges::sort(infos, {},
                    [](const Info& info) { return std::pair(info.range.begin, info.range.size); });
  std::uint64_t used_to = 0;
  for (const Info& info : infos) {
    if (info.range.begin != used_to) {
      return bad_file("tensor " + shown_name(info.name) +
                      (info.range.begin > used_to ? ": there is a hole before its data"
                                                  : ": its data overlap those of another"));
    }
    used_to += info.range.size;
  }
  if (used_to != data_bytes) {
    return bad_file(std::to_string(data_bytes - used_to) +
                    " bytes after the last tensor belong to nothing");
  }
  return {};
}

Result<json::value> read_json(ByteCursor& in, const SafetensorsLimits& limits) {
  std::uint64_t size = 0;
  if (!in.read(size)) return bad_file("too short to be a safetensors file");
  if (size > limits.max_header_bytes) {
    return bad_file("header length " + std::to_string(size) + " is over " +
                    std::to_string(limits.max_header_bytes));
  }
  std::string_view text;
  if (!in.read_text(size, text)) return bad_file("the file ends in the middle of the header");
  if (!text.starts_with('{')) return bad_file("the header does not begin with '{'");
  auto parsed = parse_json(text, {.max_bytes = limits.max_header_bytes,
                                  .max_depth = 4,
                                  .max_keys_per_object = limits.max_tensors + 1,
                                  .max_values = 2'000'000});
  if (!parsed) return bad_file("header: " + parsed.error().message);
  return parsed;
}

}  // namespace

Result<SafetensorsHeader> parse_safetensors(std::span<const std::byte> file,
                                            const SafetensorsLimits& limits) {
  ByteCursor in(file);
  auto root = read_json(in, limits);
  if (!root) return pass(root);
  const auto& entries = root->get_object();  // it begins with '{'
  const auto data = file.subspan(in.position());

  SafetensorsHeader header;
  std::vector<Info> infos;
  infos.reserve(entries.size());
  for (const auto& entry : entries) {
    if (std::string_view(entry.key().data(), entry.key().size()) == "__metadata__") {
      if (auto read = read_metadata(entry.value(), header); !read) return pass(read);
      continue;
    }
    auto info = read_info(entry, data.size(), limits);
    if (!info) return pass(info);
    infos.push_back(*info);
  }
  if (infos.size() > limits.max_tensors) return bad_file("too many tensors");
  if (auto covered = check_cover(infos, data.size()); !covered) return pass(covered);
  header.tensors.reserve(infos.size());
  for (const Info& info : infos) {
    header.tensors.push_back(
        {std::string(info.name), {data.data() + info.range.begin, info.dtype, info.shape}});
  }
  if (auto read = read_kinds(header); !read) return pass(read);
  return header;
}

}  // namespace millrace::weights
