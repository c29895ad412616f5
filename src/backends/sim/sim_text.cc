#include "backends/sim/sim_text.h"

#include <string>

namespace millrace::backends {

namespace {

void append_utf8(std::string& out, unsigned code_point) {
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
  } else {
    out.push_back(static_cast<char>(0xC0 | code_point >> 6));
    out.push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  }
}

// GPT-2's printable alphabet: visible Latin-1 bytes stand for themselves, the others for U+0100 on.
std::vector<std::string> byte_tokens() {
  std::vector<std::string> tokens;
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool visible = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
                         (byte >= 0xAE && byte <= 0xFF);
    append_utf8(tokens.emplace_back(), visible ? byte : next++);
  }
  return tokens;
}

}  // namespace

TextAssets sim_text_assets() {
  TextAssets text;
  text.gguf_kind = "gpt2";
  text.gguf_pre = "gpt-2";
  text.tokens = byte_tokens();
  text.token_types.assign(text.tokens.size(), 1);
  for (const char* control : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    text.tokens.emplace_back(control);
    text.token_types.push_back(3);
  }
  text.eos_token = kSimEndOfText;
  text.chat_template =
      "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
      "{{ message['content'] }}<|im_end|>\n{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  return text;
}

std::vector<TokenId> sim_alphabet() {
  std::vector<TokenId> letters;
  for (TokenId letter = 'a'; letter <= 'z'; ++letter) letters.push_back(letter);
  letters.insert(letters.end(), 5, ' ');
  return letters;
}

}  // namespace millrace::backends
