// Pre-tokenisers cut a text into the words that a model's merges never cross. Words leave in order,
// cover the text (but for what a Removed split drops) and lie inside it.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::text {

// Collects words and hands them on by the hundred, so that neither side pays a virtual call a word.
class WordSink {
 public:
  virtual ~WordSink() = default;
  void put(std::string_view word) {
    words_[num_words_++] = word;
    if (num_words_ == words_.size()) flush();
  }
  void flush() {
    if (num_words_ == 0) return;
    const std::size_t count = num_words_;
    num_words_ = 0;
    take(std::span(words_).first(count));
  }

 protected:
  virtual void take(std::span<const std::string_view> words) = 0;

 private:
  std::array<std::string_view, 128> words_;
  std::size_t num_words_ = 0;
};

// Immutable, thread-safe. `text` is valid UTF-8 and not empty; the caller flushes the sink.
class Splitter {
 public:
  virtual ~Splitter() = default;
  virtual void split(std::string_view text, WordSink& sink) const = 0;
};

// What becomes of the parts that a pattern matches, as Hugging Face's Split names it.
enum class SplitBehavior : std::uint8_t {
  removed,
  isolated,
  merged_with_previous,
  merged_with_next,
  contiguous,
};

// Each stage splits the words of the one before. No stages: the text is one word.
class Pretokenizer {
 public:
  Pretokenizer() = default;
  explicit Pretokenizer(std::vector<std::unique_ptr<Splitter>> stages)
      : stages_(std::move(stages)) {}
  void split(std::string_view text, WordSink& sink) const;

 private:
  std::vector<std::unique_ptr<Splitter>> stages_;
};

// A splitter for this regular expression: by hand where it is one of the common ones and every part
// is kept (isolated), through PCRE2 otherwise.
Result<std::unique_ptr<Splitter>> make_regex_splitter(const std::string& pattern,
                                                      SplitBehavior behavior, bool invert);
// The stages that llama.cpp's name for a pre-tokeniser (tokenizer.ggml.pre) stands for.
Result<Pretokenizer> make_named_pretokenizer(std::string_view name);

// GPT-2's pattern, which is also ByteLevel's with use_regex.
std::unique_ptr<Splitter> make_gpt2_splitter();
// Every character, or run of characters, of one of these classes (CharClass) is a word.
std::unique_ptr<Splitter> make_class_splitter(unsigned char_classes, SplitBehavior behavior);
// Every occurrence of a string. `literal` is not empty.
std::unique_ptr<Splitter> make_literal_splitter(std::string literal, SplitBehavior behavior,
                                                bool invert);
// SentencePiece's words: a run of ▁ and what follows up to the next ▁.
std::unique_ptr<Splitter> make_metaspace_word_splitter();
// `inner` sees each word in GPT-2's byte alphabet, as stages behind Hugging Face's ByteLevel do.
std::unique_ptr<Splitter> make_byte_alphabet_splitter(std::unique_ptr<Splitter> inner);

}  // namespace millrace::text
