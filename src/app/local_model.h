// LocalModel: one model in this process, behind the same service that the server uses.
#pragma once

#include <memory>

#include "app/chat_model.h"
#include "app/cli.h"

namespace millrace::app {

class LocalModel final : public ChatModel {
 public:
  // Borrows the command.
  explicit LocalModel(const RunCommand& command);
  ~LocalModel() override;

  // Loads, with a bar on a terminal's standard error.
  Status load();
  Result<Answer> answer(const Conversation& conversation, const ChatSettings& settings,
                        const std::function<void(std::string_view)>& on_text,
                        const std::atomic<bool>& stop) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::app
