#include "hub/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <memory>

namespace millrace::hub {
namespace {

constexpr std::size_t kMaxEntries = 100'000;
constexpr std::size_t kBlock = std::size_t{1} << 20;

struct Free {
  void operator()(::archive* a) const { archive_read_free(a); }
};
using Reader = std::unique_ptr<::archive, Free>;

std::unexpected<Error> broken(const std::filesystem::path& path, ::archive* reader) {
  const char* why = archive_error_string(reader);
  return invalid(fmt::format("{} is not a readable archive: {}", path.filename().string(),
                             why ? why : "unknown form"),
                 {}, "broken_archive");
}

Result<Reader> open_archive(const std::filesystem::path& path) {
  Reader reader(archive_read_new());
  archive_read_support_format_zip(reader.get());
  if (archive_read_open_filename(reader.get(), path.c_str(), kBlock) != ARCHIVE_OK)
    return broken(path, reader.get());
  return reader;
}

// The next plain file; false at the end.
Result<bool> next_file(const std::filesystem::path& path, ::archive* reader,
                       ::archive_entry*& entry) {
  for (;;) {
    const int status = archive_read_next_header(reader, &entry);
    if (status == ARCHIVE_EOF) return false;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return broken(path, reader);
    if (archive_entry_filetype(entry) == AE_IFREG && archive_entry_pathname(entry)) return true;
  }
}

}  // namespace

Result<std::vector<ArchiveEntry>> list_archive(const std::filesystem::path& path) {
  auto reader = open_archive(path);
  if (!reader) return pass(reader);
  std::vector<ArchiveEntry> entries;
  for (::archive_entry* entry = nullptr;;) {
    auto more = next_file(path, reader->get(), entry);
    if (!more) return pass(more);
    if (!*more) return entries;
    if (entries.size() == kMaxEntries)
      return invalid(path.filename().string() + " holds more files than any model");
    entries.push_back({archive_entry_pathname(entry), archive_entry_size(entry)});
  }
}

Status read_archive_entry(const std::filesystem::path& path, const ArchiveEntry& wanted,
                          const std::function<Status(std::span<const std::byte>)>& on_bytes) {
  auto reader = open_archive(path);
  if (!reader) return pass(reader);
  ::archive_entry* entry = nullptr;
  do {
    auto more = next_file(path, reader->get(), entry);
    if (!more) return pass(more);
    if (!*more) return fail(ErrorKind::not_found, wanted.name + " is not in the archive");
  } while (archive_entry_pathname(entry) != wanted.name);
  std::vector<std::byte> block(kBlock);
  std::int64_t total = 0;
  for (;;) {
    const la_ssize_t got = archive_read_data(reader->get(), block.data(), block.size());
    if (got < 0) return broken(path, reader->get());
    if (got == 0) break;
    total += got;
    if (total > wanted.size) return invalid(wanted.name + " is longer than its archive says");
    if (Status taken = on_bytes(std::span(block).first(static_cast<std::size_t>(got))); !taken)
      return taken;
  }
  if (total != wanted.size) return invalid(wanted.name + " is shorter than its archive says");
  return {};
}

}  // namespace millrace::hub
