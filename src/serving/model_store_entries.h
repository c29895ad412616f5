// Inside the model store: what it knows of one version and of one model. Guarded by its mutex.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "serving/model_store.h"

namespace millrace::serving {

// Somebody who asked for a load: hears how it ended when the last version has.
struct ModelStore::Waiter {
  LoadDone on_done{};
  int num_left = 0;
  Status ended{};  // the first failure
};

struct ModelStore::Ended {
  std::vector<ModelHandle> taken{};
  std::vector<std::shared_ptr<Waiter>> told{};
};

struct ModelStore::Entry {
  FoundModel found{};  // what is loaded, or is to be
  ModelState state = ModelState::unloaded;
  double progress = 0;
  std::string stage{};
  Error error{};
  ModelHandle model{};        // what serves, also while its successor is loaded
  bool loading = false;       // a load is queued or running
  bool parked = false;        // of a load: not to be tried before another has ended
  bool load_again = false;    // when the running load, or the unloading, is over
  bool unload_after = false;  // the running load
  bool unwanted = false;      // to go as soon as the wanted versions serve
  int num_alive = 0;          // models of this version that are not down yet
  std::vector<std::shared_ptr<Waiter>> waiters{};
};

struct ModelStore::Group {
  std::map<std::uint64_t, Entry> versions{};  // by number; never erased
  std::uint64_t default_version = 0;          // chosen by set_default; 0: the highest
  std::map<std::string, std::uint64_t, std::less<>> labels{};
};

}  // namespace millrace::serving
