// Buffer: owned, aligned, untyped memory on one device. Moves, does not copy.
#pragma once

#include <cstddef>
#include <memory>

namespace millrace {

class Buffer {
 public:
  Buffer() = default;
  // 64-byte aligned; 2 MiB or larger buffers ask for huge pages. Contents are zero. Aborts the
  // process only when the machine is out of memory after admission promised it (see engine memory
  // budget).
  explicit Buffer(std::size_t bytes);
  // `bytes` of a larger buffer, which lives as long as one of its parts does. Slab makes these.
  Buffer(std::shared_ptr<Buffer> whole, std::size_t offset, std::size_t bytes);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  // Makes the pages of these bytes present, whose first use would make them so one by one: a new
  // page may cost a virtual machine milliseconds. Contents stay, also what others write meanwhile.
  // A hint; thread-safe.
  void make_present(std::size_t begin, std::size_t end) const;
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_);
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::shared_ptr<Buffer> whole_;  // null: owns its memory
};

}  // namespace millrace
