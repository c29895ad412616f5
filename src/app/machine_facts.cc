#include "app/machine_facts.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string_view>

namespace millrace::app {
namespace fs = std::filesystem;
namespace {

std::string text_of(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::int64_t number_of(const char* path) {
  std::ifstream file(path);
  std::int64_t number = 0;
  return file >> number ? number : 0;  // "max" is no number: no limit
}

std::string after_colon(std::string_view line) {
  const auto start = line.find_first_not_of(" \t", line.find(':') + 1);
  return start == std::string_view::npos ? std::string() : std::string(line.substr(start));
}

// The one in brackets: "always [madvise] never".
std::string chosen_word(const std::string& text) {
  const auto begin = text.find('['), end = text.find(']');
  return begin < end && end != std::string::npos ? text.substr(begin + 1, end - begin - 1) : "";
}

// The few functions of libcuda that are asked; signatures as its header declares them.
struct Cuda {
  void* library = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  ~Cuda() {
    if (library) ::dlclose(library);
  }
  template <class Function>
  Function* find(const char* name) const {
    return reinterpret_cast<Function*>(::dlsym(library, name));
  }
};

void ask_cuda(const Cuda& cuda, GpuReport& report) {
  auto* init = cuda.find<int(unsigned)>("cuInit");
  auto* version = cuda.find<int(int*)>("cuDriverGetVersion");
  auto* count = cuda.find<int(int*)>("cuDeviceGetCount");
  auto* name = cuda.find<int(char*, int, int)>("cuDeviceGetName");
  auto* memory = cuda.find<int(std::size_t*, int)>("cuDeviceTotalMem_v2");
  if (!init || !version || !count || !name || !memory) {
    report.problem = "libcuda.so.1 is not a CUDA driver";
    return;
  }
  int number = 0;
  if (version(&number) == 0)
    report.driver = fmt::format("{}.{}", number / 1000, number % 1000 / 10);
  if (const int code = init(0); code != 0) {
    report.problem = fmt::format("cuInit fails with {}", code);
    return;
  }
  int num_gpus = 0;
  count(&num_gpus);
  for (int device = 0; device < num_gpus; ++device) {
    std::array<char, 256> text{};
    std::size_t bytes = 0;
    name(text.data(), static_cast<int>(text.size()) - 1, device);
    memory(&bytes, device);
    report.gpus.push_back({text.data(), static_cast<std::int64_t>(bytes)});
  }
}

// Without libcuda the kernel's driver still names them.
void ask_proc(GpuReport& report) {
  std::error_code error;
  for (fs::directory_iterator it("/proc/driver/nvidia/gpus", error), end; !error && it != end;
       it.increment(error)) {
    std::ifstream file(it->path() / "information");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("Model:")) report.gpus.push_back({after_colon(line), 0});
    }
  }
}

}  // namespace

CpuFacts cpu_facts(const std::string& cpuinfo) {
  static constexpr std::array<std::string_view, 20> kAsked{
      "sse4_2",   "avx",      "f16c",     "fma",         "avx2",        "avx_vnni",    "avx512f",
      "avx512dq", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile",
      "amx_int8", "amx_bf16", "asimd",    "asimdhp",     "asimddp",     "sve"};
  CpuFacts facts;
  std::istringstream lines(cpuinfo);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("processor")) ++facts.num_logical;
    if (line.starts_with("model name") && facts.model.empty()) facts.model = after_colon(line);
    const bool flags = line.starts_with("flags") || line.starts_with("Features");
    if (!flags || !facts.features.empty()) continue;
    std::istringstream words(after_colon(line));
    for (std::string word; words >> word;) {
      if (std::ranges::find(kAsked, word) != kAsked.end()) facts.features.push_back(word);
    }
  }
  return facts;
}

CpuFacts this_cpu() {
  return cpu_facts(text_of("/proc/cpuinfo"));
}

MemoryFacts this_memory() {
  std::map<std::string, std::int64_t> kib;
  std::ifstream file("/proc/meminfo");
  std::string key, rest;
  for (std::int64_t value = 0; file >> key >> value; std::getline(file, rest)) kib[key] = value;
  MemoryFacts facts{.total = kib["MemTotal:"] << 10,
                    .available = kib["MemAvailable:"] << 10,
                    .swap_used = (kib["SwapTotal:"] - kib["SwapFree:"]) << 10,
                    .huge_pages_free = kib["HugePages_Free:"]};
  facts.transparent_huge_pages =
      chosen_word(text_of("/sys/kernel/mm/transparent_hugepage/enabled"));
  const std::int64_t limit = number_of("/sys/fs/cgroup/memory.max");
  facts.cgroup_limit = limit > 0 ? limit : number_of("/sys/fs/cgroup/memory/memory.limit_in_bytes");
  if (facts.cgroup_limit >= facts.total) facts.cgroup_limit = 0;  // none that binds
  return facts;
}

GpuReport this_gpus() {
  GpuReport report;
  std::error_code error;
  report.has_device_files =
      fs::exists("/dev/nvidiactl", error) || fs::exists("/dev/nvidia0", error);
  const Cuda cuda;
  if (cuda.library) ask_cuda(cuda, report);
  if (report.gpus.empty()) ask_proc(report);
  return report;
}

bool is_port_free(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const bool is_free =
      ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::listen(fd, 1) == 0;
  ::close(fd);
  return is_free;
}

FileLimits open_file_limits() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
  const auto clipped = [](rlim_t value) {
    return static_cast<std::int64_t>(std::min<rlim_t>(value, 1 << 30));
  };
  return {.soft = clipped(limit.rlim_cur), .hard = clipped(limit.rlim_max)};
}

}  // namespace millrace::app
