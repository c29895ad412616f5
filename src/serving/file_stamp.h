// How much lies in a path, and whether it has changed: names, sizes and times, not the bytes.
#pragma once

#include <cstdint>
#include <filesystem>

namespace millrace::serving {

// Of a file, or of everything in a folder.
std::int64_t bytes_in(const std::filesystem::path& path);

// Another number when a file in the path was written, added, taken away or renamed. Of a file: also
// of the .toml beside it.
std::uint64_t file_stamp(const std::filesystem::path& path);
// Of the files directly in a folder; its sub-folders do not count.
std::uint64_t folder_stamp(const std::filesystem::path& folder);

}  // namespace millrace::serving
