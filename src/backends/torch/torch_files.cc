#include "backends/torch/torch_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>

namespace millrace::backends {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxDirectoryBytes = std::size_t{64} << 20;
constexpr std::size_t kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56, kEntryBytes = 46;
constexpr std::size_t kMaxCommentBytes = 65'535;
constexpr std::uint32_t kEndMark = 0x06054b50, kLocatorMark = 0x07064b50, kEnd64Mark = 0x06064b50,
                        kEntryMark = 0x02014b50;

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool is_torch_name(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".pt" || extension == ".pt2" || extension == ".pth" ||
         path.filename() == "pytorch_model.bin";
}

std::string folder_name(const fs::path& folder) {
  const std::string name = folder.filename().string();
  const bool is_number = !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
  return is_number ? folder.parent_path().filename().string() : name;
}

template <class T>
T number_at(std::string_view bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// An open archive, read in pieces.
class Zip {
 public:
  explicit Zip(const fs::path& path) : file_(path, std::ios::binary) {
    file_.seekg(0, std::ios::end);
    const std::streamoff end = file_ ? static_cast<std::streamoff>(file_.tellg()) : 0;
    size_ = end > 0 ? static_cast<std::uint64_t>(end) : 0;
  }
  std::uint64_t size() const { return size_; }
  // Empty where the file has not so many.
  std::optional<std::string> read(std::uint64_t at, std::uint64_t count) {
    if (count > kMaxDirectoryBytes || at > size_ || count > size_ - at) return std::nullopt;
    std::string bytes(count, '\0');
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(at));
    file_.read(bytes.data(), static_cast<std::streamsize>(count));
    if (!file_) return std::nullopt;
    return bytes;
  }

 private:
  std::ifstream file_;
  std::uint64_t size_ = 0;
};

struct Directory {
  std::uint64_t at = 0, bytes = 0;
};

// Where the central directory lies, from the record at the archive's end.
std::optional<Directory> find_directory(Zip& zip) {
  const std::uint64_t tail_bytes =
      std::min<std::uint64_t>(zip.size(), kEndBytes + kMaxCommentBytes + kLocatorBytes);
  const std::uint64_t tail_at = zip.size() - tail_bytes;
  const auto tail = zip.read(tail_at, tail_bytes);
  if (!tail || tail->size() < kEndBytes) return std::nullopt;
  for (std::size_t i = tail->size() - kEndBytes + 1; i-- > 0;) {
    if (number_at<std::uint32_t>(*tail, i) != kEndMark) continue;
    Directory found{.at = number_at<std::uint32_t>(*tail, i + 16),
                    .bytes = number_at<std::uint32_t>(*tail, i + 12)};
    if (i < kLocatorBytes || number_at<std::uint32_t>(*tail, i - kLocatorBytes) != kLocatorMark) {
      return found;
    }
    const auto end64 =
        zip.read(number_at<std::uint64_t>(*tail, i - kLocatorBytes + 8), kEnd64Bytes);
    if (!end64 || number_at<std::uint32_t>(*end64, 0) != kEnd64Mark) return std::nullopt;
    return Directory{.at = number_at<std::uint64_t>(*end64, 48),
                     .bytes = number_at<std::uint64_t>(*end64, 40)};
  }
  return std::nullopt;
}

bool is_pickle(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  char head[2] = {};
  in.read(head, sizeof head);
  return in && static_cast<unsigned char>(head[0]) == 0x80 && head[1] >= 2 && head[1] <= 5;
}

std::unexpected<Error> pickled(const fs::path& file) {
  return invalid(fmt::format(
      "'{}' holds pickled Python objects, such as weights: no program, and unpickling would run "
      "whatever code is in them. Save the model with torch.jit.script(model).save(\"model.pt\") or "
      "torch._inductor.aoti_compile_and_package, or the weights of a language model as safetensors",
      file.filename().string()));
}

}  // namespace

Result<fs::path> find_torch_file(const fs::path& path) {
  std::error_code error;
  if (is_file(path)) {
    if (is_torch_name(path)) return path;
  } else if (fs::is_directory(path, error)) {
    for (const std::string& stem : {std::string("model"), folder_name(path)}) {
      for (const char* extension : {".pt2", ".pt", ".pth"}) {
        fs::path file = path / (stem + extension);
        if (is_file(file)) return file;
      }
    }
    if (is_file(path / "pytorch_model.bin")) return path / "pytorch_model.bin";
  }
  return fail(ErrorKind::not_found,
              fmt::format("'{}' holds no PyTorch program", path.filename().string()));
}

Result<std::vector<std::string>> zip_names(const fs::path& file) {
  const auto wrong = [&] {
    return invalid(fmt::format("'{}' is no archive, or a damaged one", file.filename().string()));
  };
  Zip zip(file);
  const auto directory = find_directory(zip);
  if (!directory) return wrong();
  const auto bytes = zip.read(directory->at, directory->bytes);
  if (!bytes) return wrong();
  std::vector<std::string> names;
  for (std::size_t at = 0; at < bytes->size();) {
    if (bytes->size() - at < kEntryBytes || number_at<std::uint32_t>(*bytes, at) != kEntryMark) {
      return wrong();
    }
    const std::size_t name = number_at<std::uint16_t>(*bytes, at + 28);
    const std::size_t rest = std::size_t{number_at<std::uint16_t>(*bytes, at + 30)} +
                             number_at<std::uint16_t>(*bytes, at + 32);
    if (bytes->size() - at - kEntryBytes < name + rest) return wrong();
    names.emplace_back(*bytes, at + kEntryBytes, name);
    at += kEntryBytes + name + rest;
  }
  return names;
}

Result<TorchFormat> torch_format(const fs::path& file) {
  if (is_pickle(file)) return pickled(file);
  const auto names = zip_names(file);
  if (!names) return std::unexpected(names.error());
  // The archive's names lie in one folder, called as the file was when it was saved.
  const auto has = [&](std::string_view part) {
    return std::ranges::any_of(*names, [&](const std::string& name) {
      const std::size_t slash = name.find('/');
      return slash != std::string::npos &&
             std::string_view(name).substr(slash + 1).starts_with(part);
    });
  };
  if (has("data/aotinductor/")) return TorchFormat::package;
  if (has("code/")) return TorchFormat::script;
  if (has("models/")) {
    return invalid(
        fmt::format("'{}' is an exported program that is not compiled: compile it with "
                    "torch._inductor.aoti_compile_and_package",
                    file.filename().string()));
  }
  if (has("data.pkl")) return pickled(file);
  return invalid(fmt::format("'{}' is neither TorchScript nor an AOTInductor package",
                             file.filename().string()));
}

}  // namespace millrace::backends
