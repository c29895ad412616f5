#include "serving/warmup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <memory>
#include <random>
#include <utility>

namespace millrace::serving {
namespace {

constexpr std::int64_t kMaxBytes = std::int64_t{256} << 20;

// The bytes of one input; at most kMaxBytes.
Result<std::vector<std::byte>> bytes_of(const TensorSpec& spec, const WarmupInput* given,
                                        std::int64_t elements) {
  // An empty string is a length of 0.
  const auto width = spec.dtype == DType::bytes
                         ? std::int64_t{4}
                         : static_cast<std::int64_t>(dtype_block_bytes(spec.dtype));
  std::int64_t size = 0;
  if (__builtin_mul_overflow(elements, width, &size) || size > kMaxBytes) {
    return invalid(fmt::format("input '{}' is too large", spec.name));
  }
  if (given && given->fill == WarmupInput::Fill::file) {
    if (spec.dtype == DType::bytes || static_cast<std::int64_t>(given->data.size()) == size) {
      return given->data;
    }
    return invalid(fmt::format("the file for input '{}' has {} bytes, but {} are needed", spec.name,
                               given->data.size(), size));
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  const bool random = given && given->fill == WarmupInput::Fill::random;
  if (!random || spec.dtype == DType::bytes) return bytes;
  std::minstd_rand numbers(1);
  if (spec.dtype == DType::f32) {
    std::uniform_real_distribution<float> values(0, 1);
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(float)) {
      const float value = values(numbers);
      std::memcpy(bytes.data() + at, &value, sizeof value);
    }
    return bytes;
  }
  // 0 or 1 in the lowest byte: an index of almost anything, a tiny number in any float.
  for (std::size_t at = 0; at < bytes.size(); at += static_cast<std::size_t>(width)) {
    bytes[at] = static_cast<std::byte>(numbers() % 2);
  }
  return bytes;
}

Result<InputTensor> input_of(const TensorSpec& spec, const WarmupInput* given, int rows,
                             bool batched, std::vector<std::vector<std::byte>>& storage) {
  std::vector<std::int64_t> dims;
  if (given && !given->dims.empty()) {
    dims = given->dims;
    if (batched) dims.insert(dims.begin(), rows);
  } else {
    dims.assign(spec.shape.dims().begin(), spec.shape.dims().end());
    if (batched && !dims.empty()) dims[0] = rows;
  }
  if (dims.size() > static_cast<std::size_t>(kMaxRank)) {
    return invalid(fmt::format("input '{}' has too many dimensions", spec.name));
  }
  std::int64_t elements = 1;
  for (std::int64_t& dim : dims) {
    if (dim < 0) dim = 1;
    if (__builtin_mul_overflow(elements, dim, &elements)) elements = kMaxBytes;
  }
  auto bytes = bytes_of(spec, given, elements);
  if (!bytes) return pass(bytes);
  storage.push_back(*std::move(bytes));
  return InputTensor{.shape = Shape(dims), .parts = {storage.back()}};
}

Status run_once(const WarmupSample& sample, Servable& model) {
  const ModelDescription& d = model.describe();
  auto storage = std::make_shared<std::vector<std::vector<std::byte>>>();
  storage->reserve(d.inputs.size());  // the views must not move
  TensorBatch batch{.owner = storage};
  for (const TensorSpec& spec : d.inputs) {
    const auto given = std::ranges::find(sample.inputs, spec.name, &WarmupInput::name);
    auto input = input_of(spec, given == sample.inputs.end() ? nullptr : &*given, sample.rows,
                          d.max_batch_size > 0, *storage);
    if (!input) return pass(input);
    batch.inputs.push_back(*std::move(input));
  }
  std::promise<Status> done;
  auto ended = done.get_future();
  model.tensor_model()->infer(std::move(batch), [&done](Result<TensorResult> result) {
    done.set_value(result ? Status() : std::unexpected(result.error()));
  });
  return ended.get();
}

}  // namespace

Status warm_up(const std::vector<WarmupSample>& samples, Servable& model) {
  if (samples.empty()) return {};
  if (!model.tensor_model()) return invalid("only graph models are warmed up");
  const auto& inputs = model.describe().inputs;
  for (const WarmupSample& sample : samples) {
    const auto named = [&](Status failed) {
      failed.error().message = fmt::format("warm-up '{}': {}", sample.name, failed.error().message);
      return failed;
    };
    for (const WarmupInput& input : sample.inputs) {
      if (std::ranges::find(inputs, input.name, &TensorSpec::name) == inputs.end()) {
        return named(invalid(fmt::format("the model has no input '{}'", input.name)));
      }
    }
    for (int i = 0; i < sample.count; ++i) {
      if (Status ran = run_once(sample, model); !ran) return named(std::move(ran));
    }
  }
  return {};
}

}  // namespace millrace::serving
