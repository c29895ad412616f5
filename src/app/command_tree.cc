#include "app/command_tree.h"

#include <algorithm>

namespace millrace::app {

std::vector<std::string> choices_of(const OptionInfo& option) {
  std::vector<std::string> words;
  if (option.value_name.find('|') == std::string::npos) return words;
  for (std::size_t begin = 0; begin <= option.value_name.size();) {
    const std::size_t end = std::min(option.value_name.find('|', begin), option.value_name.size());
    words.push_back(option.value_name.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

}  // namespace millrace::app
