// open_safetensors and the folder with an index: shards that make one model.
#include "weights/safetensors.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "weights/file_errors.h"
#include "weights/guarded_file.h"
#include "weights/mapped_weights.h"
#include "weights/safetensors_header.h"

namespace millrace::weights {
namespace {

constexpr std::size_t kMaxShards = 1'024;
constexpr std::size_t kMaxIndexBytes = std::size_t{32} << 20;

// Which tensors each shard must hold, by shard.
using ShardMap = std::map<std::string, std::vector<std::string>>;

Result<ShardMap> read_index(const std::filesystem::path& index) {
  auto text = read_file(index, kMaxIndexBytes);
  if (!text) return pass(text);
  auto root = parse_json(*text, {.max_bytes = kMaxIndexBytes,
                                 .max_depth = 8,
                                 .max_keys_per_object = SafetensorsLimits{}.max_tensors,
                                 .max_values = 2'000'000});
  if (!root) return bad_file(root.error().message);
  const auto* object = root->if_object();
  const auto* field = object ? object->if_contains("weight_map") : nullptr;
  const auto* weight_map = field ? field->if_object() : nullptr;
  if (!weight_map) return bad_file("weight_map is not an object");
  ShardMap shards;
  for (const auto& entry : *weight_map) {
    const std::string tensor(entry.key().data(), entry.key().size());
    const auto* file = entry.value().if_string();
    if (!file) return bad_file("weight_map: " + shown_name(tensor) + " does not name a file");
    shards[std::string(file->data(), file->size())].push_back(tensor);
    if (shards.size() > kMaxShards) return bad_file("weight_map names too many files");
  }
  return shards;
}

// Adds the tensors of `wanted`, or all where it is null.
Status add_shard(MappedWeights& weights, const std::filesystem::path& path,
                 const std::vector<std::string>* wanted) {
  auto file = GuardedFile::open(path);
  if (!file) return pass(file);
  const std::string name = file->name();
  auto header = parse_safetensors(file->bytes());
  if (!header) return in_file(name, std::move(header.error()));
  std::map<std::string_view, const TensorView*> by_name;
  for (const auto& tensor : header->tensors) by_name.emplace(tensor.name, &tensor.view);
  if (wanted) {
    for (const auto& tensor : *wanted) {
      const auto found = by_name.find(tensor);
      if (found == by_name.end()) {
        return in_file(name, bad_file("tensor " + shown_name(tensor) +
                                      " is missing, although the index promises it")
                                 .error());
      }
      weights.add_tensor(tensor, *found->second);
    }
  } else {
    for (const auto& tensor : header->tensors) weights.add_tensor(tensor.name, tensor.view);
  }
  for (auto& [key, text] : header->metadata) {
    weights.mutable_metadata().try_emplace(key, std::move(text));
  }
  weights.add_file(std::move(*file));
  return {};
}

}  // namespace

Result<std::unique_ptr<WeightFile>> open_safetensors(const std::filesystem::path& file) {
  auto weights = std::make_unique<MappedWeights>();
  if (auto added = add_shard(*weights, file, nullptr); !added) return pass(added);
  if (auto intact = weights->still_intact(); !intact) return pass(intact);
  return weights;
}

Result<std::unique_ptr<WeightFile>> open_safetensors_index(const std::filesystem::path& index) {
  const std::string name = index.filename().string();
  auto shards = read_index(index);
  if (!shards) return in_file(name, std::move(shards.error()));
  auto weights = std::make_unique<MappedWeights>();
  for (const auto& [shard, tensors] : *shards) {
    auto path = resolve_beneath(index.parent_path(), shard);
    if (!path) {
      return in_file(name, bad_file("weight_map: " + shown_name(shard) +
                                    " is not a file of the model's folder")
                               .error());
    }
    if (auto added = add_shard(*weights, *path, &tensors); !added) return pass(added);
  }
  if (auto intact = weights->still_intact(); !intact) return pass(intact);
  return weights;
}

}  // namespace millrace::weights
