// HubClient: what a Hugging Face hub says about a repository. Protocol: the hub's HTTP API,
// /api/models/ORG/NAME/revision/REV and /ORG/NAME/resolve/REV/FILE
// (https://huggingface.co/docs/hub/api).
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "hub/digest.h"
#include "hub/http.h"
#include "hub/source_name.h"

namespace millrace::hub {

inline constexpr const char* kDefaultEndpoint = "https://huggingface.co";

struct HubFile {
  std::string name;        // as the hub says: unchecked
  std::int64_t size = -1;  // -1: the listing does not say
  Checksum checksum{};
};

struct HubListing {
  std::string commit;  // files are fetched of this one, whatever the branch does meanwhile
  std::vector<HubFile> files;
};

class HubClient {
 public:
  // `endpoint`: "https://host[:port][/path]". The token is kept back where it could be read on the
  // way (plain http to another machine). `stop` may be null.
  static Result<HubClient> make(std::string endpoint, std::string token, const HttpTimes& times,
                                const std::atomic<bool>* stop);

  Result<HubListing> list(const HubSource& source) const;
  std::string file_url(const HubSource& source, const std::string& commit,
                       const std::string& name) const;
  // Size and checksum of a file whose listing was silent about them.
  Status complete(const HubSource& source, const std::string& commit, HubFile& file) const;
  const std::string& token() const { return token_; }

 private:
  struct Answer {
    HttpHead head;
    std::string body;
    bool left_origin = false;
  };
  HubClient() = default;
  Result<Answer> get(std::string url, bool head_only, const std::string& what) const;
  Result<Answer> get_once(const std::string& url, const std::string& bearer, bool head_only,
                          bool& transient) const;

  std::string endpoint_, token_;
  HttpTimes times_;
  const std::atomic<bool>* stop_ = nullptr;
};

// The body of /revision/REV?blobs=true.
Result<HubListing> parse_listing(const std::string& body, const std::string& revision);

}  // namespace millrace::hub
