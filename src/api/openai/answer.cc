#include "api/openai/answer.h"

#include <iterator>
#include <utility>

#include "api/errors.h"

namespace millrace::api {
namespace {

constexpr std::string_view kEventStream = "text/event-stream";
constexpr std::string_view kDone = "data: [DONE]\n\n";
constexpr std::string_view kPing = ": ping\n\n";

net::HeaderFields headers_of(const AnswerHead& head) {
  if (head.trace_id.empty()) return {};
  return {{"x-trace-id", head.trace_id}};
}

// The first delta decides the status: until then an error is an ordinary error answer.
class StreamSink final : public serving::TextSink {
 public:
  StreamSink(std::shared_ptr<net::Responder> respond, std::unique_ptr<AnswerFormat> format)
      : respond_(std::move(respond)), format_(std::move(format)) {}

  bool on_deltas(std::vector<serving::TextDelta>& deltas, const TokenUsage& usage) override {
    std::string events;
    events.reserve(512 * deltas.size());
    for (const serving::TextDelta& delta : deltas) format_->append_events(events, delta, usage);
    return write(std::move(events));
  }
  void on_end(const TokenUsage& usage) override {
    std::string events;
    if (format_->head().include_usage) format_->append_usage_event(events, usage);
    events += kDone;
    write(std::move(events));
    respond_->finish();
  }
  void on_error(const Error& error) override {
    if (!started_) return respond_->send(error_response(error));
    std::string event = "data: " + error_body(error) + "\n\n";
    event += kDone;
    write(std::move(event));
    respond_->finish();
  }
  void on_idle() override { write(std::string(kPing)); }

 private:
  bool write(std::string events) {
    if (!std::exchange(started_, true)) {
      respond_->start(200, kEventStream, headers_of(format_->head()));
    }
    return respond_->write(std::move(events));
  }

  std::shared_ptr<net::Responder> respond_;
  std::unique_ptr<AnswerFormat> format_;
  bool started_ = false;
};

class WholeSink final : public serving::TextSink {
 public:
  WholeSink(std::shared_ptr<net::Responder> respond, std::unique_ptr<AnswerFormat> format,
            int num_choices)
      : respond_(std::move(respond)),
        format_(std::move(format)),
        choices_(static_cast<std::size_t>(num_choices)) {}

  bool on_deltas(std::vector<serving::TextDelta>& deltas, const TokenUsage&) override {
    for (serving::TextDelta& delta : deltas) {
      CollectedChoice& choice = choices_[static_cast<std::size_t>(delta.choice)];
      choice.text += delta.text;
      choice.tokens.insert(choice.tokens.end(), std::make_move_iterator(delta.tokens.begin()),
                           std::make_move_iterator(delta.tokens.end()));
      if (delta.finish == FinishReason::none) continue;
      choice.finish = delta.finish;
      choice.stop_string = std::move(delta.stop_string);
      choice.stop_token = delta.stop_token;
    }
    return true;
  }
  void on_end(const TokenUsage& usage) override {
    respond_->send({.status = 200,
                    .body = format_->whole(choices_, usage),
                    .headers = headers_of(format_->head())});
  }
  void on_error(const Error& error) override { respond_->send(error_response(error)); }

 private:
  std::shared_ptr<net::Responder> respond_;
  std::unique_ptr<AnswerFormat> format_;
  std::vector<CollectedChoice> choices_;
};

// Left open: the caller goes on inside the object.
void open_answer(JsonWriter& json, const AnswerHead& head, std::string_view object) {
  json.open_object();
  json.field("id", head.id).field("object", object).field("created", head.created);
  json.field("model", head.model).field("system_fingerprint", head.fingerprint);
}

}  // namespace

const char* finish_text(FinishReason finish) {
  return finish == FinishReason::length ? "length" : "stop";
}

void write_usage(JsonWriter& json, const TokenUsage& usage) {
  json.open_object();
  json.field("prompt_tokens", usage.num_prompt_tokens);
  json.field("completion_tokens", usage.num_completion_tokens);
  json.field("total_tokens", usage.num_prompt_tokens + usage.num_completion_tokens);
  json.key("prompt_tokens_details").open_object();
  json.field("cached_tokens", usage.num_cached_tokens).close_object();
  json.close_object();
}

AnswerFormat::AnswerFormat(AnswerHead head) : head_(std::move(head)) {
  event_prefix_ = "data: ";
  JsonWriter json(event_prefix_);
  open_answer(json, head_, head_.chunk_object);
  json.key("choices").open_array().open_object().key("index");
}

void AnswerFormat::append_event_end(std::string& out, const TokenUsage& usage) const {
  out += "}]";
  if (head_.continuous_usage) {
    out += ",\"usage\":";
    JsonWriter json(out);
    write_usage(json, usage);
  } else if (head_.include_usage) {
    out += ",\"usage\":null";
  }
  out += "}\n\n";
}

void AnswerFormat::append_usage_event(std::string& out, const TokenUsage& usage) const {
  out += "data: ";
  JsonWriter json(out);
  open_answer(json, head_, head_.chunk_object);
  json.key("choices").open_array().close_array().key("usage");
  write_usage(json, usage);
  json.close_object();
  out += "\n\n";
}

std::string AnswerFormat::whole(const std::vector<CollectedChoice>& choices,
                                const TokenUsage& usage) const {
  std::string body;
  JsonWriter json(body);
  open_answer(json, head_, head_.object);
  if (head_.return_token_ids && head_.prompt_token_ids.size() == 1) {
    json.key("prompt_token_ids").open_array();
    for (const TokenId id : head_.prompt_token_ids[0]) json.integer(id);
    json.close_array();
  }
  json.key("choices").open_array();
  for (std::size_t i = 0; i < choices.size(); ++i) {
    json.open_object().field("index", i);
    write_choice(json, static_cast<int>(i), choices[i]);
    json.close_object();
  }
  json.close_array().key("usage");
  write_usage(json, usage);
  json.close_object();
  return body;
}

void AnswerFormat::write_token_ids(JsonWriter& json,
                                   const std::vector<serving::OutputToken>& tokens) const {
  if (!head_.return_token_ids) return;
  json.key("token_ids").open_array();
  for (const serving::OutputToken& token : tokens) json.integer(token.token.id);
  json.close_array();
}

void AnswerFormat::write_stop_reason(JsonWriter& json, const std::string& stop_string,
                                     TokenId stop_token) const {
  if (!stop_string.empty()) {
    json.field("stop_reason", stop_string);
  } else if (stop_token >= 0) {
    json.field("stop_reason", stop_token);
  }
}

std::unique_ptr<serving::TextSink> make_sink(std::shared_ptr<net::Responder> respond,
                                             std::unique_ptr<AnswerFormat> format, int num_choices,
                                             bool stream) {
  if (stream) return std::make_unique<StreamSink>(std::move(respond), std::move(format));
  return std::make_unique<WholeSink>(std::move(respond), std::move(format), num_choices);
}

}  // namespace millrace::api
