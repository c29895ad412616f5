#include "backends/native/native_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "models/tiny_models.h"
#include "weights/test_files.h"

namespace millrace::backends {
namespace {

using namespace std::chrono_literals;

struct Answer {
  Status accepted;
  std::vector<TokenId> tokens;
  TokenEvent last;
};

Answer generate(Servable& model, std::vector<TokenId> prompt, SamplingParams sampling) {
  Answer answer;
  auto reply = std::make_shared<TokenChannel>(256);
  answer.accepted = model.generator()->submit({.id = "test",
                                               .tenant = {},
                                               .cache_salt = {},
                                               .prompt = std::move(prompt),
                                               .sampling = std::move(sampling)},
                                              reply);
  if (!answer.accepted) return answer;
  while (auto event = reply->pop_for(20s)) {
    if (event->token >= 0) answer.tokens.push_back(event->token);
    answer.last = *std::move(event);
    if (answer.last.finish != FinishReason::none) break;
  }
  return answer;
}

SamplingParams greedy(int max_tokens) {
  SamplingParams sampling;
  sampling.max_tokens = max_tokens;
  sampling.temperature = 0;
  sampling.ignore_eos = true;
  return sampling;
}

class NativeBackendTest : public testing::Test {
 protected:
  Result<std::unique_ptr<Servable>> load(const ModelSpec& spec) {
    return backend_.load(spec, context_);
  }

  // Writes a tiny model as a Hugging Face folder.
  ModelSpec tiny_folder(const char* name) {
    model_ = models::make_tiny_model(name);
    folder_.write("config.json", dump_json(model_.config));
    folder_.write("model.safetensors", models::safetensors_bytes(model_));
    ModelSpec spec;
    spec.name = name;
    spec.path = folder_.path();
    spec.precision = "exact";
    spec.max_num_seqs = 4;
    return spec;
  }

  weights::ScratchFolder folder_;
  models::TinyModel model_;
  Metrics metrics_;
  LoadContext context_{metrics_, {}};
  NativeBackend backend_;
};

TEST_F(NativeBackendTest, HuggingFaceFolderAnswersAsTransformersDoes) {
  for (const char* name : {"llama_tied_odd", "gpt2_tied", "qwen2"}) {
    const ModelSpec spec = tiny_folder(name);
    ASSERT_TRUE(backend_.recognises(spec));
    std::vector<double> progress;
    context_.progress = [&](double done, const std::string&) { progress.push_back(done); };
    auto model = load(spec);
    ASSERT_TRUE(model.has_value()) << model.error().message;
    EXPECT_TRUE(std::ranges::is_sorted(progress));
    EXPECT_EQ(progress.back(), 1.0);
    const Answer answer = generate(**model, model_.prompt, greedy(64));
    ASSERT_TRUE(answer.accepted.has_value()) << answer.accepted.error().message;
    EXPECT_EQ(answer.tokens, model_.greedy) << name;
    EXPECT_EQ(answer.last.finish, FinishReason::length);
    EXPECT_EQ(answer.last.usage.num_prompt_tokens, 40);
  }
}

TEST_F(NativeBackendTest, DescriptionTellsWhatWasLoaded) {
  folder_.write("generation_config.json",
                R"({"temperature": 0.6, "top_p": 0.9, "top_k": 20, "eos_token_id": [7, 2, 99999],
                    "repetition_penalty": "no"})");
  folder_.write("tokenizer.json", "{\"a\": 1}");
  folder_.write("chat_template.jinja", "{{ messages }}");
  auto model = load(tiny_folder("llama_gqa"));
  ASSERT_TRUE(model.has_value()) << model.error().message;
  const ModelDescription& d = (*model)->describe();
  EXPECT_EQ(d.backend, "native");
  EXPECT_EQ(d.family, "llama");
  EXPECT_EQ(d.weights, "f32");
  EXPECT_EQ(d.vocab_size, 320);
  EXPECT_EQ(d.max_model_len, 256);
  EXPECT_GE(d.kv_cache_bytes, 4 * 256 * 3 * 2 * 2 * 16 * 4);  // 4 sequences, f32
  EXPECT_EQ(d.eos_token_ids, (std::vector<TokenId>{2, 7}));   // config.json's and the other's
  EXPECT_FLOAT_EQ(d.default_sampling.temperature, 0.6f);
  EXPECT_FLOAT_EQ(d.default_sampling.top_p, 0.9f);
  EXPECT_EQ(d.default_sampling.top_k, 20);
  EXPECT_FLOAT_EQ(d.default_sampling.repetition_penalty, 1.0f);
  EXPECT_EQ((*model)->text_assets().tokenizer_json, "{\"a\": 1}");
  EXPECT_EQ((*model)->text_assets().chat_template, "{{ messages }}");
  std::int64_t parameters = 0;
  for (const auto& tensor : model_.tensors) {
    parameters += static_cast<std::int64_t>(tensor.values.size());
  }
  EXPECT_EQ(d.num_parameters, parameters);
}

std::vector<TokenId> varied_prompt(int i) {
  std::vector<TokenId> prompt;
  for (int j = 0; j < 5 + 3 * i; ++j) prompt.push_back((17 * i + 7 * j + 3) % 300);
  return prompt;
}

TEST_F(NativeBackendTest, ABatchOfSixteenChangesNoToken) {
  struct Way {
    const char *model, *cpu_isa, *precision;
  };
  for (const Way& way :
       {Way{"llama_gqa", "auto", "exact"}, Way{"gpt2_tied", "auto", "exact"},
        Way{"llama_odd_bf16", "reference", "default"}, Way{"gpt2_bf16", "reference", "default"}}) {
    SCOPED_TRACE(way.model);
    ModelSpec spec = tiny_folder(way.model);
    spec.cpu_isa = way.cpu_isa;
    spec.precision = way.precision;
    spec.max_num_seqs = 16;
    spec.enable_prefix_caching = false;  // everything is computed both times
    auto model = load(spec);
    ASSERT_TRUE(model) << model.error().message;
    std::vector<std::vector<TokenId>> alone, together(16);
    for (int i = 0; i < 16; ++i)
      alone.push_back(generate(**model, varied_prompt(i), greedy(32)).tokens);
    std::vector<std::jthread> clients;
    for (std::size_t i = 0; i < 16; ++i)
      clients.emplace_back([&, i] {
        together[i] = generate(**model, varied_prompt(static_cast<int>(i)), greedy(32)).tokens;
      });
    clients.clear();
    EXPECT_EQ(alone, together);
    EXPECT_EQ(alone[0].size(), 32u);
  }
}

TEST_F(NativeBackendTest, TheGeneratedEosEndsAnAnswer) {
  ModelSpec spec = tiny_folder("llama_gqa");
  // The ninth token that greedy decoding would give becomes an end-of-sequence id.
  const TokenId eos = model_.greedy[8];
  const auto first = std::ranges::find(model_.greedy, eos) - model_.greedy.begin();
  folder_.write("generation_config.json", "{\"eos_token_id\": " + std::to_string(eos) + "}");
  auto model = load(spec);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  SamplingParams sampling = greedy(64);
  sampling.ignore_eos = false;
  const Answer answer = generate(**model, model_.prompt, sampling);
  EXPECT_EQ(answer.last.finish, FinishReason::stop);
  EXPECT_TRUE(answer.last.is_stop_token);
  EXPECT_EQ(answer.tokens.size(), static_cast<std::size_t>(first) + 1);
}

TEST_F(NativeBackendTest, WhatCannotFitIsRefusedWithFigures) {
  ModelSpec spec = tiny_folder("llama_gqa");
  spec.kv_cache_bytes = 32 << 10;
  const auto model = load(spec);
  ASSERT_FALSE(model.has_value());
  EXPECT_EQ(model.error().kind, ErrorKind::too_large);
  EXPECT_NE(model.error().message.find("MiB"), std::string::npos) << model.error().message;

  spec.kv_cache_bytes = 0;
  spec.max_model_len = 100;
  auto shorter = load(spec);
  ASSERT_TRUE(shorter.has_value()) << shorter.error().message;
  EXPECT_EQ((*shorter)->describe().max_model_len, 100);
  EXPECT_FALSE(generate(**shorter, std::vector<TokenId>(200, 5), greedy(4)).accepted.has_value());
  EXPECT_EQ(generate(**shorter, std::vector<TokenId>(90, 5), greedy(10)).tokens.size(), 10u);
}

TEST_F(NativeBackendTest, WrongSettingsAreNamed) {
  ModelSpec spec = tiny_folder("llama_gqa");
  spec.precision = "perfect";
  EXPECT_EQ(load(spec).error().param, "precision");
  spec.precision = "default";
  spec.kv_cache_dtype = "int3";
  EXPECT_EQ(load(spec).error().param, "kv_cache_dtype");
  spec.kv_cache_dtype = "auto";
  spec.cpu_isa = "z80";
  EXPECT_FALSE(load(spec).has_value());
}

TEST_F(NativeBackendTest, BrokenFoldersAreErrorsNotCrashes) {
  const ModelSpec spec = tiny_folder("llama_gqa");
  const std::string config = dump_json(model_.config);
  for (const char* broken : {"", "[]", "{", "{\"architectures\": [\"T5Model\"]}", "{\"a\": NaN}"}) {
    folder_.write("config.json", broken);
    const auto model = load(spec);
    ASSERT_FALSE(model.has_value()) << broken;
    EXPECT_EQ(model.error().kind, ErrorKind::invalid_argument) << model.error().message;
    EXPECT_EQ(model.error().message.find(folder_.path().string()), std::string::npos);
  }
  folder_.write("config.json", config);
  folder_.write("generation_config.json", "nonsense");
  EXPECT_EQ(load(spec).error().param, "generation_config.json");
}

TEST_F(NativeBackendTest, RecognisesByFileNames) {
  ModelSpec spec;
  spec.path = folder_.path();
  EXPECT_FALSE(backend_.recognises(spec));
  folder_.write("a.gguf", "x");
  EXPECT_TRUE(backend_.recognises(spec));
  folder_.write("b.gguf", "x");  // two models, not one
  EXPECT_FALSE(backend_.recognises(spec));
  spec.path = folder_.path() / "a.gguf";
  EXPECT_TRUE(backend_.recognises(spec));
  spec.path = folder_.path() / "c.gguf";
  EXPECT_FALSE(backend_.recognises(spec));
  spec.path = folder_.write("model.onnx", "x");
  EXPECT_FALSE(backend_.recognises(spec));
  spec.path = folder_.write("model.safetensors", "x");
  EXPECT_FALSE(backend_.recognises(spec));  // no config.json beside it
  folder_.write("config.json", "{}");
  EXPECT_TRUE(backend_.recognises(spec));
}

TEST_F(NativeBackendTest, GgufFileBringsVocabularyAndTemplate) {
  const auto path = weights::shared_data("A_models/llm_stories260K_llama/tinyllm.gguf");
  if (path.empty()) GTEST_SKIP() << "no shared data: set MILLRACE_DATA";
  ModelSpec spec;
  spec.name = "stories";
  spec.path = path;
  spec.max_num_seqs = 2;
  spec.precision = "exact";
  auto model = load(spec);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  const TextAssets& text = (*model)->text_assets();
  EXPECT_EQ(text.gguf_kind, "llama");
  EXPECT_EQ(text.tokens.size(), 512u);
  EXPECT_EQ(text.scores.size(), 512u);
  EXPECT_EQ(text.token_types.size(), 512u);
  EXPECT_EQ(text.bos_token, 1);
  EXPECT_NE(text.add_bos, false);
  EXPECT_TRUE(text.add_space_prefix);
  const Answer answer = generate(**model, {1}, greedy(20));
  std::string story;
  for (const TokenId id : answer.tokens) story += text.tokens[static_cast<std::size_t>(id)];
  EXPECT_TRUE(story.starts_with("\xe2\x96\x81Once\xe2\x96\x81upon\xe2\x96\x81")) << story;
}

// The real model, when it is there: the answer that the exact weights give.
TEST_F(NativeBackendTest, SmolLm2KnowsTheCapitalOfFrance) {
  const char* folder = std::getenv("MILLRACE_MODELS");
  ModelSpec spec;
  spec.name = "smollm2";
  const std::filesystem::path models = folder
                                           ? std::filesystem::path(folder)
                                           : std::filesystem::path(MILLRACE_SOURCE_DIR) / "models";
  spec.path = models / "smollm2-135m-instruct" / "SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!backend_.recognises(spec)) GTEST_SKIP() << "no SmolLM2: set MILLRACE_MODELS to its folder";
  spec.max_num_seqs = 2;
  auto model = load(spec);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  const ModelDescription& d = (*model)->describe();
  EXPECT_EQ(d.weights, "q4_1");
  EXPECT_EQ(d.num_parameters, 134'515'008);
  EXPECT_EQ(d.eos_token_ids, (std::vector<TokenId>{0, 2}));  // <|endoftext|>, <|im_end|>
  EXPECT_FALSE((*model)->text_assets().chat_template.empty());
  EXPECT_EQ((*model)->text_assets().add_bos, false);
  const json::object golden = models::read_golden("smollm2_q4_1");
  const json::object& question = golden.at("prompts").at(1).as_object();
  SamplingParams sampling = greedy(20);
  sampling.ignore_eos = false;
  const Answer answer = generate(**model, models::golden_ids(question, "ids"), sampling);
  std::string text;
  for (const TokenId id : answer.tokens) {
    text += (*model)->text_assets().tokens[static_cast<std::size_t>(id)];
  }
  EXPECT_EQ(text,
            "The\xc4\xa0"
            "capital\xc4\xa0of\xc4\xa0"
            "France\xc4\xa0is\xc4\xa0Paris.<|im_end|>");
  EXPECT_EQ(answer.last.finish, FinishReason::stop);
}

}  // namespace
}  // namespace millrace::backends
