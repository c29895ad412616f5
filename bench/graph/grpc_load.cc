// A closed-loop gRPC client for measuring servers: N calls under way on one channel, each sends the
// same message again as soon as it has its answer. Messages are bytes: nothing is encoded or
// decoded here. usage: grpc_load PORT CALLS SECONDS METHOD MESSAGE_FILE        prints one line of
// JSON, with the processor time that a call costs the client. Every answer must be OK.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Call {
  grpc::ClientContext context;
  grpc::ByteBuffer answer;
  grpc::Status status;
  Clock::time_point started = Clock::now();
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
};

struct Load {
  grpc::GenericStub stub;
  std::string method;
  grpc::ByteBuffer message;
  grpc::CompletionQueue queue;

  void begin() {
    auto* call = new Call;
    call->reader = stub.PrepareUnaryCall(&call->context, method, message, &queue);
    call->reader->StartCall();
    call->reader->Finish(&call->answer, &call->status, call);
  }
};

grpc::ByteBuffer file_bytes(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

// This process's processor time so far.
double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

float quantile(const std::vector<float>& sorted, double q) {
  return sorted.empty()
             ? 0
             : sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const double seconds = std::atof(argv[3]);
  grpc::ChannelArguments settings;
  settings.SetMaxReceiveMessageSize(-1);
  settings.SetMaxSendMessageSize(-1);
  const auto channel = grpc::CreateCustomChannel(std::string("127.0.0.1:") + argv[1],
                                                 grpc::InsecureChannelCredentials(), settings);
  Load load{.stub = grpc::GenericStub(channel),
            .method = argv[4],
            .message = file_bytes(argv[5]),
            .queue = {}};
  const auto span = [](double s) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
  };
  const auto count_from = Clock::now() + span(0.2 * seconds), end = count_from + span(seconds);
  for (int i = std::atoi(argv[2]); i > 0; --i) load.begin();
  std::vector<float> latencies_us;
  double cpu_at_first = 0;
  void* tag = nullptr;
  bool ok = false;
  while (Clock::now() < end && load.queue.Next(&tag, &ok)) {
    const std::unique_ptr<Call> call(static_cast<Call*>(tag));
    if (!call->status.ok()) {
      std::fprintf(stderr, "grpc_load: %s\n", call->status.error_message().c_str());
      return 1;
    }
    const auto now = Clock::now();
    if (call->started >= count_from && now <= end) {
      if (latencies_us.empty()) cpu_at_first = cpu_seconds();
      latencies_us.push_back(std::chrono::duration<float, std::micro>(now - call->started).count());
    }
    load.begin();
  }
  const double cpu_us = 1e6 * (cpu_seconds() - cpu_at_first) /
                        static_cast<double>(std::max<std::size_t>(latencies_us.size(), 2) - 1);
  std::ranges::sort(latencies_us);
  std::printf(
      "{\"requests_per_second\": %.6g, \"p50_us\": %.6g, \"p99_us\": %.6g, \"client_cpu_us\": "
      "%.4g}\n",
      static_cast<double>(latencies_us.size()) / seconds, quantile(latencies_us, 0.5),
      quantile(latencies_us, 0.99), cpu_us);
  std::fflush(stdout);
  std::_Exit(0);  // calls are under way
}
