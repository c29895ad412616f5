// Names of files as a hub or an archive gives them: hostile until checked.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace millrace::hub {

// A relative path of plain components, to be created beneath a folder: no "..", no absolute path,
// no backslash, no control characters, no hidden components that start with "..", none that ends as
// our own partial files do, at most 255 bytes a component and 1024 in all. invalid_argument, code
// "hostile_name", otherwise.
Status check_file_name(std::string_view name);

// The path to create: folder / name. The name is checked first; the folders between are made, and
// must be folders, not links, so that nothing lands outside.
Result<std::filesystem::path> make_path_beneath(const std::filesystem::path& folder,
                                                std::string_view name);

}  // namespace millrace::hub
