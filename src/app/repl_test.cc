#include "app/repl.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>

#include "app/entry_reader.h"
#include "app/line_editor.h"

namespace millrace::app {
namespace {

// Answers with the number of messages it was shown.
class CountingModel final : public ChatModel {
 public:
  Result<Answer> answer(const Conversation& conversation, const ChatSettings& given,
                        const std::function<void(std::string_view)>& on_text,
                        const std::atomic<bool>& stop) override {
    settings = given;
    if (fails) return invalid("no");
    Answer answer;
    answer.text = std::to_string(conversation.messages().size());
    answer.was_stopped = stop.load();
    on_text(answer.text);
    return answer;
  }
  bool fails = false;
  ChatSettings settings;
};

class ReplTest : public ::testing::Test {
 protected:
  std::string say(const std::string& entry) {
    said_.clear();
    goes_on_ = repl_.take(entry);
    return said_;
  }
  CountingModel model_;
  std::atomic<bool> stop_ = false;
  std::string said_;
  bool goes_on_ = true;
  Repl repl_{model_,
             {},
             {},
             false,
             {.answer = [this](std::string_view text) { said_ += text; },
              .notice = [this](std::string_view text) { said_ += "[" + std::string(text) + "]"; }},
             stop_};
};

TEST_F(ReplTest, KeepsTheConversation) {
  EXPECT_EQ(say("hello"), "1\n");
  EXPECT_EQ(say("again"), "3\n");
  say("/clear");
  say("/system Be brief.");
  EXPECT_EQ(say("hello"), "2\n");
  EXPECT_EQ(say("   "), "");
}

TEST_F(ReplTest, AFailedQuestionIsNotKept) {
  model_.fails = true;
  EXPECT_EQ(say("hello"), "[millrace: no]");
  model_.fails = false;
  EXPECT_EQ(say("hello"), "1\n");
}

TEST_F(ReplTest, AnEarlierCtrlCDoesNotStopTheNextAnswer) {
  stop_ = true;
  EXPECT_EQ(say("hello"), "1\n");
}

TEST_F(ReplTest, Settings) {
  EXPECT_NE(say("/set").find("nothing is set"), std::string::npos);
  say("/set temperature 0.5");
  say("/set max_tokens 7");
  EXPECT_EQ(say("/set"), "[temperature 0.5\nmax_tokens 7]");
  say("x");
  EXPECT_EQ(model_.settings.temperature, 0.5);
  say("/set temperature default");
  EXPECT_EQ(say("/set"), "[max_tokens 7]");
  for (const char* wrong :
       {"/set nothing 1", "/set temperature", "/set temperature x", "/set top_k 1.5",
        "/set top_p 2", "/set max_tokens 0", "/set seed -1"}) {
    say(wrong);
    EXPECT_EQ(say("/set"), "[max_tokens 7]") << wrong;
  }
}

TEST_F(ReplTest, SavesAndLoads) {
  const std::string file =
      (std::filesystem::temp_directory_path() / ("millrace-talk-" + std::to_string(::getpid())))
          .string();
  say("/system S");
  say("hello \"you\"\n");
  EXPECT_NE(say("/save " + file).find("2 messages saved"), std::string::npos);
  say("/clear");
  say("/system other");
  EXPECT_NE(say("/load " + file).find("2 messages from"), std::string::npos);
  EXPECT_EQ(repl_.conversation().system, "S");
  EXPECT_EQ(repl_.conversation().turns[0].content, "hello \"you\"\n");
  std::filesystem::remove(file);
  EXPECT_NE(say("/load " + file).find("no such file"), std::string::npos);
  EXPECT_EQ(repl_.conversation().turns.size(), 2u);
  EXPECT_NE(say("/save /nonexistent/x").find("cannot be written"), std::string::npos);
}

TEST_F(ReplTest, CommandsEndAndHelp) {
  EXPECT_NE(say("/help").find("/save FILE"), std::string::npos);
  EXPECT_NE(say("/nothing").find("no command /nothing"), std::string::npos);
  EXPECT_TRUE(goes_on_);
  say("/exit");
  EXPECT_FALSE(goes_on_);
}

TEST(Conversation, HostileFiles) {
  for (const char* text :
       {"", "[]", "{}", R"({"messages":3})", R"({"messages":[{}]})",
        R"({"messages":[{"role":"tool","content":"x"}]})",
        R"({"messages":[{"role":"user","content":1}]})",
        R"({"messages":[{"role":"user","content":"x"},{"role":"system","content":"y"}]})"}) {
    EXPECT_FALSE(load_conversation(text)) << text;
  }
}

TEST(EntryReader, LinesAndQuotes) {
  EntryReader reader;
  EXPECT_EQ(reader.add("one"), "one");
  EXPECT_EQ(reader.add("one\\"), std::nullopt);
  EXPECT_TRUE(reader.wants_more());
  EXPECT_EQ(reader.add("two"), "one\ntwo");
  EXPECT_EQ(reader.add("\"\"\"one"), std::nullopt);
  EXPECT_EQ(reader.add("back\\"), std::nullopt);
  EXPECT_EQ(reader.add("two\"\"\""), "one\nback\\\ntwo");
  EXPECT_EQ(reader.add("\"\"\"all\"\"\""), "all");
  EXPECT_EQ(reader.add("\"\"\""), std::nullopt);
  EXPECT_EQ(reader.add("x"), std::nullopt);
  EXPECT_EQ(reader.add("\"\"\""), "x");
  EXPECT_EQ(reader.add("x\\"), std::nullopt);
  reader.reset();
  EXPECT_EQ(reader.add("y"), "y");
}

TEST(Completions, OfTheStart) {
  const std::vector<std::string> words = {"/set", "/save", "/help"};
  EXPECT_EQ(completions(words, "/s"), (std::vector<std::string>{"/set", "/save"}));
  EXPECT_TRUE(completions(words, "").empty());
  EXPECT_TRUE(completions(words, "x").empty());
}

}  // namespace
}  // namespace millrace::app
