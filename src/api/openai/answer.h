// Answers to text requests, streamed or whole: one format a endpoint, two sinks for all.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_writer.h"
#include "net/http_types.h"
#include "serving/text_stream.h"

namespace millrace::api {

// What one choice has said, when the answer is sent whole.
struct CollectedChoice {
  std::string text;
  std::vector<serving::OutputToken> tokens;
  FinishReason finish = FinishReason::none;
  std::string stop_string;
  TokenId stop_token = -1;
};

// The members that all chunks of an answer repeat, and what the request asked to see.
struct AnswerHead {
  std::string id;              // "chatcmpl-…"
  std::string object{};        // of the whole answer
  std::string chunk_object{};  // of a chunk
  std::int64_t created = 0;
  std::string model;
  std::string fingerprint;
  std::string trace_id{};  // of a traced request
  bool include_usage = false;
  bool continuous_usage = false;
  bool return_token_ids = false;
  int num_logprobs = -1;                                 // -1: none
  std::vector<std::vector<TokenId>> prompt_token_ids{};  // with return_token_ids: one a prompt
  int num_choices_per_prompt = 1;
};

// Writes one endpoint's JSON. Used by one sink, one call at a time.
class AnswerFormat {
 public:
  explicit AnswerFormat(AnswerHead head);
  virtual ~AnswerFormat() = default;

  // Server-sent events for what a choice gained.
  virtual void append_events(std::string& out, const serving::TextDelta& delta,
                             const TokenUsage& usage) = 0;
  // The whole answer.
  std::string whole(const std::vector<CollectedChoice>& choices, const TokenUsage& usage) const;
  // The last chunk, where usage was asked for.
  void append_usage_event(std::string& out, const TokenUsage& usage) const;
  const AnswerHead& head() const { return head_; }

 protected:
  virtual void write_choice(JsonWriter& json, int index, const CollectedChoice& choice) const = 0;
  // One event with one choice; write_rest adds the members after the index.
  template <class WriteRest>
  void append_event(std::string& out, int choice, const TokenUsage& usage,
                    WriteRest write_rest) const;
  void append_event_end(std::string& out, const TokenUsage& usage) const;
  void write_token_ids(JsonWriter& json, const std::vector<serving::OutputToken>& tokens) const;
  void write_stop_reason(JsonWriter& json, const std::string& stop_string,
                         TokenId stop_token) const;

  const AnswerHead head_;

 private:
  std::string event_prefix_;  // up to the choice's index
};

template <class WriteRest>
void AnswerFormat::append_event(std::string& out, int choice, const TokenUsage& usage,
                                WriteRest write_rest) const {
  out += event_prefix_;
  JsonWriter json(out);
  json.integer(choice);
  write_rest(json);
  append_event_end(out, usage);
}

void write_usage(JsonWriter& json, const TokenUsage& usage);
const char* finish_text(FinishReason finish);  // "stop", "length"

// Sends whole or streamed. The sink is not thread-safe by itself: TextStream calls it in turn.
std::unique_ptr<serving::TextSink> make_sink(std::shared_ptr<net::Responder> respond,
                                             std::unique_ptr<AnswerFormat> format, int num_choices,
                                             bool stream);

}  // namespace millrace::api
