// TextService: text requests in, running streams out: admission, model, template, tokenise, submit.
// Knows no wire format. Thread-safe; calls run on worker threads and do not block.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/worker_pool.h"
#include "serving/admission.h"
#include "serving/model_store.h"
#include "serving/text_metrics.h"
#include "serving/text_request.h"
#include "serving/text_stream.h"
#include "serving/ticker.h"

namespace millrace::serving {

class TextService {
 public:
  // Borrows everything; all of it outlives the service and its streams.
  TextService(ModelStore& store, Admission& admission, WorkerPool& workers, Metrics& metrics,
              std::chrono::milliseconds ping_interval = std::chrono::seconds(15));

  // The model of that name, if it generates text.
  Result<ModelHandle> find_model(std::string_view name) const;

  // Submitted, not yet started. An error means that nothing runs.
  Result<std::shared_ptr<TextStream>> chat(ChatRequest request);
  Result<std::shared_ptr<TextStream>> complete(CompletionRequest request);
  // Starts delivery and watches over the stream's silences.
  void start(const std::shared_ptr<TextStream>& stream, std::unique_ptr<TextSink> sink);

  // Ends every running answer with this error: what a shutdown does once its patience is over.
  void end_all(const Error& error);

  // The tokens a prompt becomes. `param` names the prompt's field in errors. Refuses text that
  // cannot fit the context without tokenising it ("context_length_exceeded").
  Result<std::vector<TokenId>> tokenize(const Model& model, std::string_view text,
                                        bool add_special_tokens, const char* param) const;
  Result<std::vector<TokenId>> tokenize_chat(const Model& model, const ChatPrompt& prompt) const;

 private:
  Result<std::shared_ptr<TextStream>> submit(TextOptions options, Admission::Permit permit,
                                             std::vector<TextStream::Prompt> prompts,
                                             const char* prompt_param);
  TextMetrics metrics_of(const std::string& model);

  ModelStore& store_;
  Admission& admission_;
  WorkerPool& workers_;
  Metrics& metrics_;
  std::mutex mutex_;
  std::map<std::string, TextMetrics> model_metrics_;  // never erased
  Ticker ticker_;
};

}  // namespace millrace::serving
