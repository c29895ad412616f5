// For tests: a model whose tokens are bytes and whose generator says what the test tells it to.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "servable/servable.h"

namespace millrace::serving {

// Token ids: 0…255 are the bytes, then these.
inline constexpr TokenId kFakeEos = 256;
inline constexpr TokenId kFakeStart = 257;  // "<|start|>"
inline constexpr TokenId kFakeEnd = 258;    // "<|end|>"
inline constexpr int kFakeVocab = 259;

inline std::string utf8_of(int code_point) {
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  return {static_cast<char>(0xC0 | (code_point >> 6)),
          static_cast<char>(0x80 | (code_point & 0x3F))};
}

// GPT-2's printable stand-in for each byte.
inline std::vector<std::string> byte_tokens() {
  std::vector<std::string> tokens;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    tokens.push_back(utf8_of(printable ? byte : next++));
  }
  return tokens;
}

inline TextAssets fake_text_assets() {
  TextAssets assets;
  assets.gguf_kind = "gpt2";
  assets.gguf_pre = "gpt-2";
  assets.tokens = byte_tokens();
  assets.token_types.assign(256, 1);
  for (const char* special : {"<eos>", "<|start|>", "<|end|>"}) {
    assets.tokens.emplace_back(special);
    assets.token_types.push_back(3);
  }
  assets.eos_token = kFakeEos;
  assets.chat_template =
      "{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}"
      "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}";
  return assets;
}

// Says `reply` byte by byte, then EOS; or leaves the channels to the test.
class FakeGenerator final : public Generator {
 public:
  std::string reply = "Hello";
  bool automatic = true;
  std::optional<Error> refusal{};  // of every submit
  int refuse_after = 1 << 30;      // submits accepted before that
  GeneratorStats next_stats{.num_blocks = 1000, .num_free_blocks = 1000};

  Status submit(GenerateRequest request, std::shared_ptr<TokenChannel> channel) override {
    std::lock_guard lock(mutex_);
    if (refusal && static_cast<int>(requests_.size()) >= refuse_after) {
      return std::unexpected(*refusal);
    }
    requests_.push_back(request);
    channels_.push_back(channel);
    if (automatic) answer(request, *channel);
    submitted_.notify_all();
    return {};
  }
  GeneratorStats stats() const override {
    std::lock_guard lock(mutex_);
    return next_stats;
  }

  std::vector<GenerateRequest> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  std::shared_ptr<TokenChannel> channel(std::size_t i) const {
    std::lock_guard lock(mutex_);
    return channels_.at(i);
  }

  static TokenEvent event(TokenId token, const GenerateRequest& request) {
    TokenEvent made;
    made.token = token;
    made.logprob = -0.5f;
    for (int i = 0; i < request.sampling.num_logprobs; ++i) {
      made.top_logprobs.push_back(
          {.token = (token + i) % 256, .logprob = -0.5f - float(i), .rank = i});
    }
    made.usage.num_prompt_tokens = static_cast<int>(request.prompt.size());
    made.usage.num_cached_tokens = 3;
    return made;
  }

 private:
  void answer(const GenerateRequest& request, TokenChannel& channel) const {
    int count = 0;
    for (const char c : reply) {
      TokenEvent made = event(static_cast<unsigned char>(c), request);
      const bool full = ++count == request.sampling.max_tokens;
      if (full) made.finish = FinishReason::length;
      if (channel.try_push(std::move(made)) != Push::ok) return;
      if (full) return channel.close();
    }
    TokenEvent last = event(kFakeEos, request);
    last.is_stop_token = true;
    last.finish = FinishReason::stop;
    channel.try_push(std::move(last));
    channel.close();
  }

  mutable std::mutex mutex_;
  std::condition_variable submitted_;
  std::vector<GenerateRequest> requests_;
  std::vector<std::shared_ptr<TokenChannel>> channels_;
};

class FakeServable final : public Servable {
 public:
  explicit FakeServable(std::string name) {
    description.name = std::move(name);
    description.backend = "fake";
    description.family = "bytes";
    description.max_model_len = 512;
    description.vocab_size = kFakeVocab;
    description.kv_block_tokens = 16;
    description.eos_token_ids = {kFakeEos};
  }
  ~FakeServable() override {
    if (on_destroy) on_destroy();
  }
  const ModelDescription& describe() const override { return description; }
  const TextAssets& text_assets() const override { return assets; }
  Generator* generator() override { return tensors ? nullptr : &generator_; }
  TensorModel* tensor_model() override { return tensors.get(); }
  FakeGenerator& fake() { return generator_; }

  ModelDescription description{};
  TextAssets assets = fake_text_assets();
  std::function<void()> on_destroy{};
  std::unique_ptr<TensorModel> tensors{};  // instead of the generator

 private:
  FakeGenerator generator_;
};

// Loads any "*.fake" file. `prepare` sees each servable before it is handed out, and may refuse.
class FakeBackend final : public Backend {
 public:
  std::function<Status(const ModelSpec&, FakeServable&)> prepare{};

  const char* name() const override { return "fake"; }
  bool recognises(const ModelSpec& spec) const override {
    if (spec.path.extension() == ".fake") return true;
    return std::filesystem::exists(spec.path / "weights.fake");
  }
  Result<std::unique_ptr<Servable>> load(const ModelSpec& spec, LoadContext& context) override {
    auto servable = std::make_unique<FakeServable>(spec.name);
    if (context.progress) context.progress(0.5, "half way");
    if (prepare) {
      if (auto ok = prepare(spec, *servable); !ok) return pass(ok);
    }
    last = servable.get();
    return servable;
  }

  FakeServable* last = nullptr;
};

// A folder that goes with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }
  void file(const std::string& relative, std::size_t bytes = 10) const {
    std::filesystem::create_directories((path_ / relative).parent_path());
    std::ofstream(path_ / relative) << std::string(bytes, 'x');
  }

 private:
  std::filesystem::path path_;
};

}  // namespace millrace::serving
