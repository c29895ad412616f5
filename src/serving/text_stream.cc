#include "serving/text_stream.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace millrace::serving {
namespace {

constexpr int kTracedDeliveries = 128;  // the first; a trace has room for the other stages

}  // namespace

struct TextStream::Choice {
  Choice(int index_in, const TextOptions& options, const text::Tokenizer& tokenizer,
         std::shared_ptr<TokenChannel> channel_in)
      : index(index_in),
        channel(std::move(channel_in)),
        detokenizer(tokenizer, options.skip_special_tokens),
        stops(options.stop, options.include_stop) {}

  const int index;
  const std::shared_ptr<TokenChannel> channel;
  std::atomic<bool> signalled = true;  // there may be something to pop
  text::Detokenizer detokenizer;
  text::StopMatcher stops;
  std::string echo;       // not delivered yet
  bool is_first = false;  // of its prompt: its cached tokens are the prompt's
  int num_tokens = 0;
  bool done = false;
};

TextStream::TextStream(TextOptions options, Admission::Permit permit, WorkerPool& workers,
                       TextMetrics metrics)
    : options_(std::move(options)),
      permit_(std::move(permit)),
      workers_(workers),
      metrics_(metrics),
      tokenizer_(options_.model->text()->tokenizer()),
      last_activity_(Clock::now()) {}

TextStream::~TextStream() {
  close_channels();
}

void TextStream::add_choices(Prompt prompt, std::vector<std::shared_ptr<TokenChannel>> channels) {
  bool is_first = true;
  for (auto& channel : channels) {
    auto choice = std::make_unique<Choice>(num_choices(), options_, tokenizer_, std::move(channel));
    choice->echo = prompt.echo;
    choice->is_first = std::exchange(is_first, false);
    choices_.push_back(std::move(choice));
    ++num_open_;
  }
  usage_.num_prompt_tokens += static_cast<int>(prompt.tokens.size());
  prompts_.push_back(std::move(prompt));
}

void TextStream::start(std::unique_ptr<TextSink> sink) {
  MILLRACE_CHECK(!sink_ && sink);
  sink_ = std::move(sink);
  self_ = shared_from_this();
  wake();
}

void TextStream::close_channels() {
  for (const auto& choice : choices_) choice->channel->close();
}

void TextStream::cancel() {
  cancelled_ = true;
  close_channels();
  wake();
}

void TextStream::fail(Error error) {
  {
    std::lock_guard lock(failing_mutex_);
    failing_with_ = std::move(error);
  }
  failing_ = true;
  close_channels();
  wake();
}

void TextStream::poke() {
  idle_due_ = true;
  wake();
}

// One task at a time runs a stream: whoever raises the count from 0 posts it, and it goes on until
// it has seen every wake.
void TextStream::wake() {
  if (num_wakes_.fetch_add(1) == 0) {
    workers_.post([self = shared_from_this()] { self->run(); });
  }
}

void TextStream::run() {
  int seen = num_wakes_.load();
  for (;;) {
    deliver();
    const int before = num_wakes_.fetch_sub(seen);
    if (before == seen) return;
    seen = before - seen;
  }
}

void TextStream::arm(Choice& choice) {
  choice.channel->arm([weak = weak_from_this(), &choice] {
    if (const auto self = weak.lock()) {
      choice.signalled = true;
      self->wake();
    }
  });
}

void TextStream::deliver() {
  if (!sink_) return;  // not started, or ended
  if (cancelled_) return end();
  const TimePoint began = options_.trace ? Clock::now() : TimePoint();
  deltas_.clear();
  drained_.clear();
  for (const auto& choice : choices_) {
    if (!choice->done && choice->signalled.exchange(false)) drain(*choice);
    if (failure_) break;
  }
  if (failing_ && num_open_ > 0) {
    std::lock_guard lock(failing_mutex_);
    failure_ = failing_with_;
  }
  if (failure_) {
    metrics_.error.add(num_open_);
    permit_ = {};
    sink_->on_error(*failure_);
    return end();
  }
  if (!deltas_.empty()) {
    last_activity_ = Clock::now();
    const bool is_read = sink_->on_deltas(deltas_, usage_);
    if (options_.trace && num_traced_++ < kTracedDeliveries) {
      options_.trace.inside().span("deliver", began, Clock::now());
    }
    if (!is_read) return end();
  } else if (idle_due_.exchange(false)) {
    last_activity_ = Clock::now();
    sink_->on_idle();
  }
  if (num_open_ == 0) {
    permit_ = {};  // before the client can know: its next request finds the place free
    sink_->on_end(usage_);
    return end();
  }
  for (Choice* choice : drained_) {
    if (!choice->done) arm(*choice);
  }
}

void TextStream::end() {
  if (num_open_ > 0 && !failure_) metrics_.cancelled.add(num_open_);
  close_channels();
  sink_.reset();
  permit_ = {};
  options_.trace.finish();
  self_.reset();  // the running task still holds one
}

void TextStream::drain(Choice& choice) {
  drained_.push_back(&choice);
  // Asked before popping: what a producer pushes before it closes is then popped here.
  const bool closed = choice.channel->closed();
  TextDelta delta{.choice = choice.index};
  while (!choice.done && !failure_) {
    auto event = choice.channel->try_pop();
    if (!event) break;
    take_event(choice, delta, *event);
  }
  if (closed && !choice.done && !failure_ && !cancelled_) {
    failure_ = Error{.kind = ErrorKind::internal, .message = "The request ended without a result."};
  }
  if (!delta.text.empty() || !delta.tokens.empty() || delta.finish != FinishReason::none) {
    deltas_.push_back(std::move(delta));
  }
}

void TextStream::take_event(Choice& choice, TextDelta& delta, TokenEvent& event) {
  if (!choice.echo.empty()) delta.text += std::exchange(choice.echo, {});
  if (event.token >= 0) take_token(choice, delta, event);
  if (!choice.done && event.finish != FinishReason::none) take_finish(choice, delta, event);
}

void TextStream::take_token(Choice& choice, TextDelta& delta, const TokenEvent& event) {
  if (choice.num_tokens == 0 && choice.is_first) {
    usage_.num_cached_tokens += event.usage.num_cached_tokens;
  }
  ++choice.num_tokens;
  ++usage_.num_completion_tokens;
  const bool shown = !event.is_stop_token || (options_.include_stop && !is_eos(event.token));
  if (!shown) return;
  if (options_.want_tokens) {
    OutputToken token{.token = text_of(event.token, event.logprob)};
    for (const TokenLogprob& top : event.top_logprobs) {
      token.top.push_back(text_of(top.token, top.logprob));
    }
    delta.tokens.push_back(std::move(token));
  }
  const std::string piece = choice.detokenizer.push(event.token);
  if (choice.num_tokens <= options_.sampling.min_tokens) {
    delta.text += piece;  // stop strings do not count yet
    return;
  }
  auto step = choice.stops.push(piece);
  delta.text += step.text;
  if (!step.matched) return;
  delta.stop_string = options_.stop[*step.matched];
  delta.finish = FinishReason::stop;
  choice.done = true;
  --num_open_;
  choice.channel->close();  // the engine drops the sequence
  metrics_.stop_string.add();
}

void TextStream::take_finish(Choice& choice, TextDelta& delta, const TokenEvent& event) {
  if (event.finish == FinishReason::error) {
    failure_ = event.error;
    return;
  }
  if (event.finish == FinishReason::cancelled) {
    failure_ = Error{.kind = ErrorKind::unavailable,
                     .message = "The model stopped before the answer was complete.",
                     .code = "aborted"};
    return;
  }
  auto rest = choice.stops.push(choice.detokenizer.finish());
  delta.text += rest.text;
  if (!rest.matched) delta.text += choice.stops.finish();
  delta.finish = event.finish;
  if (event.is_stop_token && !is_eos(event.token)) delta.stop_token = event.token;
  choice.done = true;
  --num_open_;
  (event.finish == FinishReason::length ? metrics_.length : metrics_.stop).add();
}

TokenText TextStream::text_of(TokenId id, float logprob) const {
  return {.id = id, .bytes = std::string(tokenizer_.token_bytes(id)), .logprob = logprob};
}

bool TextStream::is_eos(TokenId id) const {
  const auto& eos = options_.model->description().eos_token_ids;
  return std::ranges::find(eos, id) != eos.end();
}

}  // namespace millrace::serving
