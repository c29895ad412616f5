#include "serving/text_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "serving/sampling_checks.h"

namespace millrace::serving {
namespace {

// Events a choice may have waiting; an engine that finds it full holds the sequence back.
constexpr std::size_t kChannelCapacity = 256;

// No text longer than this can be a prompt, whatever its tokens.
std::size_t max_prompt_bytes(const Model& model) {
  return static_cast<std::size_t>(model.description().max_model_len) *
         std::max<std::size_t>(1, model.text()->tokenizer().longest_token_bytes());
}

std::unexpected<Error> prompt_too_long(const Model& model, const char* param) {
  return invalid(
      fmt::format("This model's maximum context length is {} tokens; the prompt is longer.",
                  model.description().max_model_len),
      param, "context_length_exceeded");
}

GenerateRequest request_of(const TextOptions& options, const std::vector<TokenId>& prompt,
                           int choice) {
  GenerateRequest request{.id = options.id,
                          .tenant = options.tenant,
                          .cache_salt = options.cache_salt,
                          .prompt = prompt,
                          .sampling = options.sampling,
                          .priority = options.priority,
                          .arrival = options.arrival,
                          .deadline = options.deadline,
                          .slo_ttft_seconds = options.slo_ttft_seconds,
                          .slo_tpot_seconds = options.slo_tpot_seconds,
                          .trace = options.trace};
  if (choice > 0) {
    request.id += fmt::format("-{}", choice);
    if (request.sampling.seed) *request.sampling.seed += static_cast<std::uint64_t>(choice);
  }
  return request;
}

}  // namespace

TextService::TextService(ModelStore& store, Admission& admission, WorkerPool& workers,
                         Metrics& metrics, std::chrono::milliseconds ping_interval)
    : store_(store),
      admission_(admission),
      workers_(workers),
      metrics_(metrics),
      ticker_(ping_interval) {}

Result<ModelHandle> TextService::find_model(std::string_view name) const {
  auto model = store_.find(name);
  if (model && (!(*model)->generator() || !(*model)->text())) {
    return invalid("This model does not generate text.", "model", "model_not_supported");
  }
  return model;
}

TextMetrics TextService::metrics_of(const std::string& model) {
  std::lock_guard lock(mutex_);
  return model_metrics_.try_emplace(model, metrics_, model).first->second;
}

Result<std::vector<TokenId>> TextService::tokenize(const Model& model, std::string_view text,
                                                   bool add_special_tokens,
                                                   const char* param) const {
  if (text.size() > max_prompt_bytes(model)) return prompt_too_long(model, param);
  return model.text()->tokenizer().encode(text, {.add_special_tokens = add_special_tokens});
}

Result<std::vector<TokenId>> TextService::tokenize_chat(const Model& model,
                                                        const ChatPrompt& prompt) const {
  const std::size_t max_bytes = max_prompt_bytes(model);
  std::size_t bytes = 0;
  for (const ChatMessage& message : prompt.messages) bytes += message.content.size();
  if (bytes > max_bytes) return prompt_too_long(model, "messages");
  const auto rendered = model.text()->render(prompt, max_bytes);
  if (!rendered) {
    Error error = rendered.error();
    if (error.param.empty()) error.param = "messages";
    return std::unexpected(std::move(error));
  }
  return tokenize(model, *rendered, /*add_special_tokens=*/false, "messages");
}

Result<std::shared_ptr<TextStream>> TextService::chat(ChatRequest request) {
  auto permit = admission_.admit(request.options.tenant);
  if (!permit) return pass(permit);
  const TimePoint began = Clock::now();
  auto tokens = tokenize_chat(*request.options.model, request.prompt);
  if (!tokens) return pass(tokens);
  request.options.trace.inside().span("template and tokenise", began, Clock::now(),
                                      {{"tokens", static_cast<std::int64_t>(tokens->size())}});
  std::vector<TextStream::Prompt> prompts;
  prompts.push_back({.tokens = std::move(*tokens)});
  return submit(std::move(request.options), std::move(*permit), std::move(prompts), "messages");
}

Result<std::shared_ptr<TextStream>> TextService::complete(CompletionRequest request) {
  auto permit = admission_.admit(request.options.tenant);
  if (!permit) return pass(permit);
  const Model& model = *request.options.model;
  const int vocab_size = model.description().vocab_size;
  std::vector<TextStream::Prompt> prompts;
  for (auto& given : request.prompts) {
    TextStream::Prompt prompt;
    if (auto* ids = std::get_if<std::vector<TokenId>>(&given)) {
      const auto wrong =
          std::ranges::find_if(*ids, [&](TokenId id) { return id < 0 || id >= vocab_size; });
      if (wrong != ids->end()) {
        return invalid(fmt::format("'prompt' holds token id {}, but the vocabulary is 0 to {}.",
                                   *wrong, vocab_size - 1),
                       "prompt", "value_out_of_range");
      }
      if (request.echo) {
        prompt.echo =
            text::decode(model.text()->tokenizer(), *ids, request.options.skip_special_tokens);
      }
      prompt.tokens = std::move(*ids);
    } else {
      auto& text = std::get<std::string>(given);
      auto tokens = tokenize(model, text, request.options.add_special_tokens, "prompt");
      if (!tokens) return pass(tokens);
      prompt.tokens = std::move(*tokens);
      if (request.echo) prompt.echo = std::move(text);
    }
    prompts.push_back(std::move(prompt));
  }
  return submit(std::move(request.options), std::move(*permit), std::move(prompts), "prompt");
}

Result<std::shared_ptr<TextStream>> TextService::submit(TextOptions options,
                                                        Admission::Permit permit,
                                                        std::vector<TextStream::Prompt> prompts,
                                                        const char* prompt_param) {
  if (auto ok = check_token_ids(options); !ok) return pass(ok);
  if (auto ok = apply_bad_words(options); !ok) return pass(ok);
  const TextMetrics metrics = metrics_of(options.model->name());
  Generator& generator = *options.model->generator();

  // Every prompt is checked before the first is submitted.
  std::vector<SamplingParams> sampling;
  for (TextStream::Prompt& prompt : prompts) {
    const auto keep = options.truncate_prompt_tokens;
    if (keep && prompt.tokens.size() > static_cast<std::size_t>(*keep)) {
      prompt.tokens.erase(prompt.tokens.begin(), prompt.tokens.end() - *keep);
    }
    if (prompt.tokens.empty()) {
      return invalid("The prompt has no tokens.", prompt_param, "invalid_value");
    }
    if (auto ok = resolve_max_tokens(options, static_cast<int>(prompt.tokens.size()), prompt_param);
        !ok) {
      return pass(ok);
    }
    sampling.push_back(options.sampling);
  }
  const TimePoint began = Clock::now();
  auto stream = std::make_shared<TextStream>(options, std::move(permit), workers_, metrics);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    options.sampling = std::move(sampling[i]);
    std::vector<std::shared_ptr<TokenChannel>> channels;
    for (int choice = 0; choice < options.n; ++choice) {
      auto channel = std::make_shared<TokenChannel>(kChannelCapacity);
      auto accepted = generator.submit(request_of(options, prompts[i].tokens, choice), channel);
      channels.push_back(std::move(channel));
      if (!accepted) {
        for (const auto& started : channels) started->close();
        return pass(accepted);  // the stream goes and closes the earlier prompts' channels
      }
    }
    stream->add_choices(std::move(prompts[i]), std::move(channels));
  }
  options.trace.inside().span("submit", began, Clock::now());
  return stream;
}

void TextService::end_all(const Error& error) {
  for (const auto& stream : ticker_.alive()) stream->fail(error);
}

void TextService::start(const std::shared_ptr<TextStream>& stream, std::unique_ptr<TextSink> sink) {
  stream->start(std::move(sink));
  ticker_.watch(stream);
}

}  // namespace millrace::serving
