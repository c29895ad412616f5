#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/json.h"
#include "text/byte_alphabet.h"
#include "text/unicode.h"
#include "text/vocab_data_for_test.h"

namespace millrace::text::test {
namespace {

// GGUF version 3, little-endian: magic, version, tensor count, key count, then keys.
class GgufReader {
 public:
  explicit GgufReader(std::string bytes) : bytes_(std::move(bytes)) {}

  void read(VocabTable& table) {
    ASSERT_EQ(bytes_.substr(0, 4), "GGUF");
    at_ = 4 + 4 + 8;
    const auto num_keys = number<std::uint64_t>();
    for (std::uint64_t i = 0; i < num_keys; ++i) {
      const std::string key = string();
      take(key, number<std::uint32_t>(), table);
    }
  }

 private:
  enum Type : std::uint32_t { u32 = 4, i32 = 5, f32 = 6, boolean = 7, str = 8, array = 9 };

  template <class T>
  T number() {
    T value{};
    if (at_ + sizeof value <= bytes_.size()) std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string string() {
    const auto size = number<std::uint64_t>();
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  void skip(std::uint32_t type) {
    constexpr std::size_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == str) {
      string();
    } else if (type == array) {
      const auto item = number<std::uint32_t>();
      const auto count = number<std::uint64_t>();
      for (std::uint64_t i = 0; i < count; ++i) skip(item);
    } else {
      at_ += kSizes[type];
    }
  }
  template <class T>
  std::vector<T> numbers() {
    at_ += 4;
    std::vector<T> out(number<std::uint64_t>());
    for (T& value : out) value = number<T>();
    return out;
  }
  std::vector<std::string> strings() {
    at_ += 4;
    std::vector<std::string> out(number<std::uint64_t>());
    for (auto& value : out) value = string();
    return out;
  }
  void take(const std::string& key, std::uint32_t type, VocabTable& table) {
    const std::string prefix = "tokenizer.ggml.";
    const std::string name = key.starts_with(prefix) ? key.substr(prefix.size()) : "";
    if (name == "model") {
      table.kind = string();
    } else if (name == "pre") {
      table.pre = string();
    } else if (name == "tokens") {
      table.tokens = strings();
    } else if (name == "merges") {
      table.merges = strings();
    } else if (name == "scores") {
      table.scores = numbers<float>();
    } else if (name == "token_type") {
      table.token_types = numbers<std::int32_t>();
    } else if (name == "bos_token_id") {
      table.bos_token = number<std::int32_t>();
    } else if (name == "eos_token_id") {
      table.eos_token = number<std::int32_t>();
    } else if (name == "unknown_token_id") {
      table.unknown_token = number<std::int32_t>();
    } else if (name == "add_bos_token") {
      table.add_bos = number<bool>();
    } else if (name == "add_eos_token") {
      table.add_eos = number<bool>();
    } else if (name == "add_space_prefix") {
      table.add_space_prefix = number<bool>();
    } else {
      skip(type);
    }
  }

  std::string bytes_;
  std::size_t at_ = 0;
};

std::string spell(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += ByteAlphabet::get().spelling(static_cast<unsigned char>(c));
  return out;
}

std::string from_base64(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  int num_bits = 0;
  for (const char c : text) {
    const std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::size_t value = alphabet.find(c);
    if (value == alphabet.npos) break;
    bits = bits << 6 | static_cast<unsigned>(value);
    num_bits += 6;
    if (num_bits >= 8) out += static_cast<char>(bits >> (num_bits -= 8) & 255);
  }
  return out;
}

// The two parts that a token has just before its last merge, when only lower ranks may merge.
std::string last_merge(const std::map<std::string, int>& ranks, const std::string& token,
                       int rank) {
  std::vector<std::string> parts;
  for (const char c : token) parts.emplace_back(1, c);
  while (parts.size() > 2) {
    std::size_t best = parts.size();
    int best_rank = rank;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = ranks.find(parts[i] + parts[i + 1]);
      if (found != ranks.end() && found->second < best_rank) best_rank = found->second, best = i;
    }
    if (best == parts.size()) return {};
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  return parts.size() == 2 ? spell(parts[0]) + " " + spell(parts[1]) : std::string();
}

}  // namespace

std::optional<std::filesystem::path> data_file(const std::string& relative) {
  const char* const folder = std::getenv("MILLRACE_DATA");
  const std::filesystem::path root =
      folder ? folder : std::filesystem::path(MILLRACE_SOURCE_DIR) / "../shared/data";
  const auto path = root / relative;
  if (!std::filesystem::exists(path)) return std::nullopt;
  return path;
}

std::optional<std::filesystem::path> smollm2_file() {
  if (const char* const path = std::getenv("MILLRACE_SMOLLM2")) return path;
  const std::filesystem::path folder = MILLRACE_SOURCE_DIR "/models/smollm2-135m-instruct";
  if (!std::filesystem::is_directory(folder)) return std::nullopt;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".gguf") return entry.path();
  }
  return std::nullopt;
}

std::string read_all(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

VocabTable read_gguf_vocabulary(const std::filesystem::path& path) {
  VocabTable table;
  GgufReader(read_all(path)).read(table);
  return table;
}

VocabTable read_encoder_and_bpe(const std::string& encoder_json, const std::string& vocab_bpe) {
  VocabTable table{.kind = "gpt2"};
  const auto encoder = parse_json(
      encoder_json,
      {.max_bytes = 64 << 20, .max_keys_per_object = 1'000'000, .max_values = 2'000'000});
  EXPECT_TRUE(encoder);
  if (!encoder) return table;
  for (const auto& [token, id] : encoder->as_object()) {
    const auto i = static_cast<std::size_t>(id.as_int64());
    if (i >= table.tokens.size()) table.tokens.resize(i + 1);
    table.tokens[i] = std::string(token);
  }
  table.token_types.resize(table.tokens.size(), 1);
  std::istringstream lines(vocab_bpe);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && !line.starts_with("#version")) table.merges.push_back(line);
  }
  return table;
}

VocabTable read_tiktoken(const std::string& text) {
  VocabTable table{.kind = "gpt2"};
  std::map<std::string, int> ranks;
  std::vector<std::string> tokens;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t space = line.find(' ');
    if (space == line.npos) continue;
    tokens.push_back(from_base64(line));
    ranks[tokens.back()] = static_cast<int>(tokens.size()) - 1;
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    table.tokens.push_back(spell(tokens[i]));
    if (tokens[i].size() < 2) continue;
    const std::string merge = last_merge(ranks, tokens[i], static_cast<int>(i));
    if (!merge.empty()) table.merges.push_back(merge);
  }
  table.token_types.resize(table.tokens.size(), 1);
  return table;
}

std::string without_broken_merges(const std::string& tokenizer_json) {
  auto file = parse_json(
      tokenizer_json,
      {.max_bytes = 64 << 20, .max_keys_per_object = 1'000'000, .max_values = 4'000'000});
  EXPECT_TRUE(file);
  if (!file) return {};
  json::array kept;
  for (const auto& merge : file->at("model").at("merges").as_array()) {
    const bool whole = !merge.is_string() || std::ranges::count(merge.as_string(), ' ') == 1;
    if (whole) kept.push_back(merge);
  }
  file->at("model").at("merges") = kept;
  return dump_json(*file);
}

void add_control_token(VocabTable& table, const std::string& content) {
  table.tokens.push_back(content);
  table.token_types.push_back(3);
}

std::vector<std::string> varied_texts() {
  return {
      "",
      " ",
      "  ",
      "\n\n \n",
      "\t\t\r\n\t x",
      "Hello, world! It's 2026; we'll see what they'VE done, isn'T it?",
      "  leading and trailing   ",
      "def f(x):\n    return {k: v**2 for k, v in x.items()}  # \t\n\n\n",
      "1234567890 3.14159 1,000,000 ½ ² ٣٤٥ 七八九",
      "中文没有空格，标点：“引号”。日本語のテキストとカタカナ。한국어 문장도 있다.",
      "العربية من اليمين إلى اليسار، مع التشكيل: مُحَمَّد",
      "हिन्दी में संयुक्ताक्षर ก็ไม่มีช่องว่าง ភាសាខ្មែរ",
      "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️ \xF0\x9F\x98\x80\xF0\x9F\x98\x80",
      std::string("nul\0and\x01\x02\x1F\x7F controls", 20),
      "e\xCC\x81 vs \xC3\xA9; Å Å; ﬁ ﬀ; ſ 'ſ",
      "a\xC2\xA0"
      "b\xE2\x80\x89"
      "c\xE3\x80\x80"
      "d\xE2\x80\xA8"
      "e\xC2\x85"
      "f",
      "\xEF\xBB\xBF"
      "BOM and zero\xE2\x80\x8Bwidth",
      "https://example.org/a/b?c=d&e=%20#frag user.name+tag@example.co.uk",
      std::string(300, 'a') + std::string(300, ' ') + std::string(300, '=') +
          std::string(300, '\n'),
      "!!!???...---___***///\\\\\\'''\"\"\"```~~~$$$^^^|||<<<>>>",
      "’s ‘quoted’ “double” – — … ‽ €£¥",
  };
}

std::string random_text(unsigned seed, std::size_t num_chars) {
  std::uint64_t state = seed * 0x9E3779B97F4A7C15ull + 1;
  const auto next = [&](std::uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
  };
  constexpr std::string_view kCommon = "aeiourstlnAEZ019  \t\n\r'.,-_!?<|>";
  std::string out;
  while (num_chars > 0) {
    char32_t c = 0;
    switch (next(8)) {
      case 0:
        c = static_cast<char32_t>(next(0x3000));
        break;
      case 1:
        c = static_cast<char32_t>(0x3000 + next(0xA800));
        break;
      case 2:
        c = static_cast<char32_t>(0x1F000 + next(0x1000));
        break;
      default:
        c = static_cast<unsigned char>(kCommon[next(kCommon.size())]);
    }
    if (c >= 0xD800 && c < 0xE000) c = 'x';
    if (c == 0xCF3 || c == 0xECE) c = 'y';  // marks of Unicode 15, unknown to PCRE2 10.42
    for (std::uint64_t run = next(6) == 0 ? next(9) + 1 : 1; run > 0 && num_chars > 0; --run) {
      append_utf8(out, c);
      --num_chars;
    }
  }
  return out;
}

TEST(VocabData, ReadsTiktokenRanksAsMerges) {
  // a b c ab abc: the merges are "a b" and "ab c".
  const VocabTable table = read_tiktoken("YQ== 0\nYg== 1\nYw== 2\nYWI= 3\nYWJj 4\n");
  EXPECT_EQ(table.tokens, (std::vector<std::string>{"a", "b", "c", "ab", "abc"}));
  EXPECT_EQ(table.merges, (std::vector<std::string>{"a b", "ab c"}));
}

}  // namespace millrace::text::test
