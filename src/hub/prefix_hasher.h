// PrefixHasher: the checksum of a file that is still arriving. A thread of its own reads back what
// is there from the start without a hole, so the checksum is ready soon after the last byte, and
// covers what the disk kept, not what the network said.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "hub/digest.h"
#include "hub/part_file.h"

namespace millrace::hub {

class PrefixHasher {
 public:
  // Borrows the file, which must not be moved meanwhile. Kind none: no thread, nothing is read.
  PrefixHasher(const PartFile& part, Checksum::Kind kind);
  ~PrefixHasher();
  PrefixHasher(const PrefixHasher&) = delete;
  PrefixHasher& operator=(const PrefixHasher&) = delete;

  void advance(std::int64_t prefix);  // bytes [0, prefix) are final
  void restart();                     // they were not: begin again
  // Waits until [0, size) is hashed. Kind none where the disk could not be read.
  Checksum finish(std::int64_t size);

 private:
  void work();

  const PartFile& part_;
  const Checksum::Kind kind_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Digest digest_;            // the thread's, while it works
  std::int64_t prefix_ = 0;  // guarded by mutex_, as all below
  std::int64_t hashed_ = 0;
  int round_ = 0;  // restarts so far
  bool failed_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace millrace::hub
