#include "text/pretokenize.h"

#include <algorithm>
#include <utility>

#include "text/byte_alphabet.h"
#include "text/regex.h"
#include "text/splitters.h"
#include "text/unicode.h"

namespace millrace::text {
namespace {

// Puts together the words from matched and unmatched parts that arrive in turn and side by side.
class SplitAssembler {
 public:
  SplitAssembler(WordSink& sink, SplitBehavior behavior) : sink_(sink), behavior_(behavior) {}

  void part(std::string_view text, bool is_match) {
    switch (behavior_) {
      case SplitBehavior::removed:
        if (!is_match) emit(text);
        return;
      case SplitBehavior::isolated:
        emit(text);
        return;
      case SplitBehavior::contiguous:
        return hold(text, is_match, has_held_ && is_match == held_is_match_);
      case SplitBehavior::merged_with_previous:
        hold(text, is_match, has_held_ && is_match && !held_is_match_);
        return;
      case SplitBehavior::merged_with_next:
        hold(text, is_match, has_held_ && !is_match && held_is_match_);
        return;
    }
  }
  void finish() { hold({}, false, false); }

 private:
  // The held word grows by this part, or leaves and makes room for it.
  void hold(std::string_view text, bool is_match, bool grows) {
    if (grows) {
      held_ = {held_.data(), held_.size() + text.size()};
    } else {
      emit(held_);
      held_ = text;
      has_held_ = text.data() != nullptr;
    }
    held_is_match_ = is_match;
  }
  void emit(std::string_view word) {
    if (!word.empty()) sink_.put(word);
  }

  WordSink& sink_;
  SplitBehavior behavior_;
  std::string_view held_;
  bool has_held_ = false;
  bool held_is_match_ = false;
};

class RegexSplitter final : public Splitter {
 public:
  RegexSplitter(Regex regex, SplitBehavior behavior, bool invert)
      : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {}

  void split(std::string_view text, WordSink& sink) const override {
    SplitAssembler assembler(sink, behavior_);
    Regex::Scan scan(regex_, text);
    std::size_t done = 0;
    while (const auto match = scan.next()) {
      if (match->begin > done) assembler.part(text.substr(done, match->begin - done), invert_);
      assembler.part(text.substr(match->begin, match->end - match->begin), !invert_);
      done = match->end;
    }
    if (done < text.size()) assembler.part(text.substr(done), invert_);
    assembler.finish();
  }

 private:
  Regex regex_;
  SplitBehavior behavior_;
  bool invert_;
};

class ClassSplitter final : public Splitter {
 public:
  ClassSplitter(unsigned char_classes, SplitBehavior behavior)
      : char_classes_(char_classes), behavior_(behavior) {}

  void split(std::string_view text, WordSink& sink) const override {
    const CharClasses& classes = CharClasses::get();
    SplitAssembler assembler(sink, behavior_);
    const char* p = text.data();
    const char* const end = p + text.size();
    const char* done = p;
    while (p < end) {
      const char* const here = p;
      if (!(classes[next_char(p)] & char_classes_)) continue;
      if (here > done) assembler.part({done, here}, false);
      assembler.part({here, p}, true);
      done = p;
    }
    if (done < end) assembler.part({done, end}, false);
    assembler.finish();
  }

 private:
  unsigned char_classes_;
  SplitBehavior behavior_;
};

class LiteralSplitter final : public Splitter {
 public:
  LiteralSplitter(std::string literal, SplitBehavior behavior, bool invert)
      : literal_(std::move(literal)), behavior_(behavior), invert_(invert) {}

  void split(std::string_view text, WordSink& sink) const override {
    SplitAssembler assembler(sink, behavior_);
    std::size_t done = 0;
    for (auto at = text.find(literal_); at != text.npos; at = text.find(literal_, done)) {
      if (at > done) assembler.part(text.substr(done, at - done), invert_);
      assembler.part(text.substr(at, literal_.size()), !invert_);
      done = at + literal_.size();
    }
    if (done < text.size()) assembler.part(text.substr(done), invert_);
    assembler.finish();
  }

 private:
  std::string literal_;
  SplitBehavior behavior_;
  bool invert_;
};

class MetaspaceWordSplitter final : public Splitter {
 public:
  void split(std::string_view text, WordSink& sink) const override {
    while (!text.empty()) {
      std::size_t spaces_end = 0;
      while (text.substr(spaces_end).starts_with(kMetaspace)) spaces_end += kMetaspace.size();
      const std::size_t end = std::min(text.find(kMetaspace, spaces_end), text.size());
      sink.put(text.substr(0, end));
      text.remove_prefix(end);
    }
  }

 private:
  static constexpr std::string_view kMetaspace = "\xE2\x96\x81";  // ▁
};

// Words of the spelt text back to words of the text itself.
class SpeltWordSink final : public WordSink {
 public:
  SpeltWordSink(std::string_view spelt, const std::vector<std::size_t>& byte_at,
                std::string_view text, WordSink& out)
      : spelt_(spelt), byte_at_(byte_at), text_(text), out_(out) {}

 private:
  void take(std::span<const std::string_view> words) override {
    for (const std::string_view word : words) {
      const auto from = static_cast<std::size_t>(word.data() - spelt_.data());
      const std::size_t begin = byte_at_[from];
      out_.put(text_.substr(begin, byte_at_[from + word.size()] - begin));
    }
  }

  std::string_view spelt_;
  const std::vector<std::size_t>& byte_at_;  // byte of the text, by byte of its spelling
  std::string_view text_;
  WordSink& out_;
};

class ByteAlphabetSplitter final : public Splitter {
 public:
  explicit ByteAlphabetSplitter(std::unique_ptr<Splitter> inner) : inner_(std::move(inner)) {}

  void split(std::string_view text, WordSink& sink) const override {
    const ByteAlphabet& alphabet = ByteAlphabet::get();
    std::string spelt;
    std::vector<std::size_t> byte_at;
    for (std::size_t i = 0; i < text.size(); ++i) {
      spelt += alphabet.spelling(static_cast<unsigned char>(text[i]));
      byte_at.resize(spelt.size(), i);
    }
    byte_at.push_back(text.size());
    SpeltWordSink spelt_sink(spelt, byte_at, text, sink);
    inner_->split(spelt, spelt_sink);
    spelt_sink.flush();
  }

 private:
  std::unique_ptr<Splitter> inner_;
};

// Runs one stage on each word and passes its words on.
class StageSink final : public WordSink {
 public:
  StageSink(const Splitter& stage, WordSink& out) : stage_(stage), out_(out) {}

 private:
  void take(std::span<const std::string_view> words) override {
    for (const std::string_view word : words) stage_.split(word, out_);
  }
  const Splitter& stage_;
  WordSink& out_;
};

void run_stages(std::span<const std::unique_ptr<Splitter>> stages, std::string_view text,
                WordSink& sink) {
  if (stages.size() == 1) return stages.front()->split(text, sink);
  // Built from the last stage to the first; each stage flushes into the next when the text is done.
  std::vector<std::unique_ptr<StageSink>> sinks;
  WordSink* out = &sink;
  for (std::size_t i = stages.size(); i-- > 1;) {
    sinks.push_back(std::make_unique<StageSink>(*stages[i], *out));
    out = sinks.back().get();
  }
  stages.front()->split(text, *out);
  for (std::size_t i = sinks.size(); i-- > 0;) sinks[i]->flush();
}

}  // namespace

void Pretokenizer::split(std::string_view text, WordSink& sink) const {
  if (stages_.empty()) {
    sink.put(text);
  } else {
    run_stages(stages_, text, sink);
  }
}

Result<std::unique_ptr<Splitter>> make_regex_splitter(const std::string& pattern,
                                                      SplitBehavior behavior, bool invert) {
  // The known patterns leave nothing unmatched, so removing what is unmatched changes nothing.
  const bool keeps_all =
      behavior == SplitBehavior::isolated || (behavior == SplitBehavior::removed && invert);
  if (keeps_all) {
    if (auto known = make_known_splitter(pattern)) return known;
  }
  auto regex = Regex::compile(pattern);
  if (!regex) return pass(regex);
  return std::make_unique<RegexSplitter>(std::move(*regex), behavior, invert);
}

std::unique_ptr<Splitter> make_class_splitter(unsigned char_classes, SplitBehavior behavior) {
  return std::make_unique<ClassSplitter>(char_classes, behavior);
}

std::unique_ptr<Splitter> make_literal_splitter(std::string literal, SplitBehavior behavior,
                                                bool invert) {
  return std::make_unique<LiteralSplitter>(std::move(literal), behavior, invert);
}

std::unique_ptr<Splitter> make_metaspace_word_splitter() {
  return std::make_unique<MetaspaceWordSplitter>();
}

std::unique_ptr<Splitter> make_byte_alphabet_splitter(std::unique_ptr<Splitter> inner) {
  return std::make_unique<ByteAlphabetSplitter>(std::move(inner));
}

}  // namespace millrace::text
