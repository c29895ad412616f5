#include "serving/text_model.h"

#include <gtest/gtest.h>

#include "serving/fake_model.h"

namespace millrace::serving {
namespace {

std::unique_ptr<TextModel> fake_text() {
  auto built = TextModel::build(fake_text_assets());
  EXPECT_TRUE(built);
  return built ? std::move(*built) : nullptr;
}

TEST(TextModel, RendersAConversation) {
  const auto text = fake_text();
  ChatPrompt prompt{
      .messages = {{.role = "system", .content = "Be brief."}, {.role = "user", .content = "Hi"}}};
  const auto opened = text->render(prompt, 1000);
  ASSERT_TRUE(opened);
  EXPECT_EQ(*opened,
            "<|start|>system\nBe brief.<|end|>\n<|start|>user\nHi<|end|>\n<|start|>assistant\n");
}

TEST(TextModel, ContinuesTheLastMessage) {
  const auto text = fake_text();
  ChatPrompt prompt{.messages = {{.role = "user", .content = "Count"},
                                 {.role = "assistant", .content = "One, two,"}},
                    .add_generation_prompt = false,
                    .continue_final_message = true};
  const auto open = text->render(prompt, 1000);
  ASSERT_TRUE(open);
  EXPECT_EQ(*open, "<|start|>user\nCount<|end|>\n<|start|>assistant\nOne, two,");
  prompt.messages.back().content.clear();
  EXPECT_EQ(text->render(prompt, 1000).error().param, "continue_final_message");
}

TEST(TextModel, WithoutTemplateOnlyChatFails) {
  TextAssets assets = fake_text_assets();
  assets.chat_template.clear();
  const auto text = TextModel::build(assets);
  ASSERT_TRUE(text);
  EXPECT_FALSE((*text)->has_chat_template());
  const auto rendered = (*text)->render({.messages = {{.role = "user", .content = "Hi"}}}, 1000);
  ASSERT_FALSE(rendered);
  EXPECT_EQ(rendered.error().code, "chat_template_missing");
  EXPECT_EQ((*text)->tokenizer().encode("Hi").size(), 2u);
}

TEST(TextModel, FindsTheTemplateInTheTokenizerConfig) {
  TextAssets assets = fake_text_assets();
  const std::string source = std::exchange(assets.chat_template, {});
  const json::object plain{{"chat_template", source}};
  assets.tokenizer_config_json = dump_json(plain);
  EXPECT_TRUE((*TextModel::build(assets))->has_chat_template());
  const json::object named{{"name", "default"}, {"template", source}};
  const json::object other{{"name", "tool_use"}, {"template", "{% broken"}};
  const json::object listed{{"chat_template", json::array{other, named}}};
  assets.tokenizer_config_json = dump_json(listed);
  EXPECT_TRUE((*TextModel::build(assets))->has_chat_template());
}

TEST(TextModel, NeedsATokenizer) {
  const auto text = TextModel::build({});
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, "tokenizer_missing");
}

TEST(TextModel, TextOfTokens) {
  const auto text = fake_text();
  EXPECT_EQ(text->decode({'a', 'b', kFakeEnd}), "ab<|end|>");
  EXPECT_EQ(text->token_text(kFakeEnd), "<|end|>");
}

}  // namespace
}  // namespace millrace::serving
