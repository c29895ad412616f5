// What the names in tokenizer.ggml.pre stand for, as llama.cpp defines them (src/llama-vocab.cpp);
// where its patterns are rewritten for its own regex engine, the originals of the models'
// tokenizer.json are here.
#include <algorithm>
#include <array>

#include "text/pretokenize.h"
#include "text/splitters.h"

namespace millrace::text {
namespace {

constexpr std::string_view kDigit = R"(\p{N})";
constexpr std::string_view kPunctuationRun = R"([\p{P}\$\+<=>\^~\|`]+)";
constexpr std::string_view kThreeDigits = "[0-9][0-9][0-9]";
constexpr std::string_view kNewline = "[\r\n]";
constexpr std::string_view kHan = "[一-龥ࠀ-一가-퟿]+";
constexpr std::string_view kHanKana = "[一-龥぀-ゟ゠-ヿ]+";
constexpr std::string_view kCasedLetters =
    R"(\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-)"
    R"(\x{293}\x{295}-\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386})"
    R"(\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-)"
    R"(\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD})"
    R"(\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-)"
    R"(\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D})"
    R"(\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4})"
    R"(\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3})"
    R"(\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102})"
    R"(\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128})"
    R"(\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149})"
    R"(\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE})"
    R"(\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-)"
    R"(\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17})"
    R"(\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3})"
    R"(\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF})"
    R"(\x{1E900}-\x{1E943}]+)";
constexpr std::string_view kWidePunctuation = R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)";
constexpr std::string_view kDeepseek3Words =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kO200kWords =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekkenWords =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kBloomWords = R"( ?[^(\s|.,!?…。，、।۔،)]+)";

struct NamedStages {
  std::string_view name;
  std::array<std::string_view, 6> patterns;
};

constexpr NamedStages kNamedStages[] = {
    {"default", {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)", kThreeDigits}},
    {"gpt-2", {kGpt2Pattern}},
    {"mpt", {kGpt2Pattern}},
    {"olmo", {kGpt2Pattern}},
    {"jais", {kGpt2Pattern}},
    {"trillion", {kGpt2Pattern}},
    {"granite-docling", {kGpt2Pattern}},
    {"phi-2", {kGpt2Pattern}},
    {"gigachat", {kGpt2Pattern}},
    {"mellum", {kGpt2Pattern}},
    {"roberta-bpe", {kGpt2Pattern}},
    {"jina-es", {kGpt2Pattern}},
    {"jina-de", {kGpt2Pattern}},
    {"jina-v1-en", {kGpt2Pattern}},
    {"jina-v2-es", {kGpt2Pattern}},
    {"jina-v2-de", {kGpt2Pattern}},
    {"jina-v2-code", {kGpt2Pattern}},
    {"exaone4", {kGpt2Pattern}},
    {"modern-bert", {kGpt2Pattern}},
    {"smollm", {kDigit, kGpt2Pattern}},
    {"starcoder", {kDigit, kGpt2Pattern}},
    {"refact", {kDigit, kGpt2Pattern}},
    {"command-r", {kDigit, kGpt2Pattern}},
    {"codeshell", {kDigit, kGpt2Pattern}},
    {"exaone", {kDigit, kGpt2Pattern}},
    {"minerva-7b", {kDigit, kGpt2Pattern}},
    {"mellum2", {kDigit, kGpt2Pattern}},
    {"llama3", {kLlama3Pattern}},
    {"llama-v3", {kLlama3Pattern}},
    {"llama-bpe", {kLlama3Pattern}},
    {"falcon3", {kLlama3Pattern}},
    {"falcon-h1", {kLlama3Pattern}},
    {"lfm2", {kLlama3Pattern}},
    {"midm-2.0", {kLlama3Pattern}},
    {"dbrx", {kLlama3Pattern}},
    {"smaug-bpe", {kLlama3Pattern}},
    {"glm4", {kLlama3Pattern}},
    {"chatglm-bpe", {kLlama3Pattern}},
    {"qwen2", {kQwen2Pattern}},
    {"deepseek-r1-qwen", {kQwen2Pattern}},
    {"megrez", {kQwen2Pattern}},
    {"stablelm2", {kQwen2Pattern}},
    {"hunyuan", {kQwen2Pattern}},
    {"grok-2", {kQwen2Pattern}},
    {"qwen35", {kQwen35Pattern}},
    {"deepseek-llm", {kNewline, kCasedLetters, kWidePunctuation, R"(\s+$)", kHan, R"(\p{N}+)"}},
    {"deepseek-coder", {kNewline, R"(\s?\p{L}+)", R"(\s?\p{P}+)", kHan, kDigit}},
    {"deepseek-v3", {R"(\p{N}{1,3})", kHanKana, kDeepseek3Words}},
    {"hunyuan-dense", {R"(\p{N}{1,3})", kHanKana, kDeepseek3Words}},
    {"falcon", {kPunctuationRun, kGpt2Pattern, kThreeDigits}},
    {"gpt-4o", {kO200kWords}},
    {"llama4", {kO200kWords}},
    {"kanana2", {kO200kWords}},
    {"minimax-m2", {kO200kWords}},
    {"tekken", {kTekkenWords}},
    {"pixtral", {kTekkenWords}},
    {"bloom", {kBloomWords}},
    {"poro-chat", {kBloomWords}},
    {"gpt3-finnish", {kBloomWords}},
    {"viking", {kBloomWords, kDigit}},
    {"seed-coder",
     {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
    {"bailingmoe",
     {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"}},
    {"superbpe", {R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"}},
    {"chameleon",
     {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", kDigit,
      R"([\p{P}!-/:-@\[-`{-~])", kGpt2Pattern}},
};

}  // namespace

Result<Pretokenizer> make_named_pretokenizer(std::string_view name) {
  const auto* const named = std::ranges::find(kNamedStages, name, &NamedStages::name);
  if (named == std::end(kNamedStages)) {
    return invalid("the pre-tokeniser '" + std::string(name.substr(0, 64)) + "' is not known",
                   "tokenizer.ggml.pre");
  }
  std::vector<std::unique_ptr<Splitter>> stages;
  if (named->patterns[0] == kDigit && named->patterns[1] == kGpt2Pattern) {
    stages.push_back(make_digits_then_gpt2_splitter());
    return Pretokenizer(std::move(stages));
  }
  for (const std::string_view pattern : named->patterns) {
    if (pattern.empty()) break;
    auto stage = make_regex_splitter(std::string(pattern), SplitBehavior::isolated, false);
    if (!stage) return pass(stage);
    stages.push_back(std::move(*stage));
  }
  return Pretokenizer(std::move(stages));
}

}  // namespace millrace::text
