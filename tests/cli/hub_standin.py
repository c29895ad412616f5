"""A stand-in for a Hugging Face hub and the store its large files lie in: two servers on loopback, one origin each, with
faults to order. test_standin.py shows that the hub's own client is content with it."""
import hashlib
import http.server
import json
import sys
import threading
import time
import urllib.parse

COMMIT = "c0ffee" + "0" * 34


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Repository:
    def __init__(self, files, large=1024, token=None, gated=False, commit=COMMIT):
        self.files = dict(files)  # name -> bytes
        self.large = large        # files of so many bytes are in the store
        self.token = token        # needed to see it
        self.gated = gated        # seen, but not fetched, without terms accepted
        self.commit = commit

    def is_large(self, name):
        return len(self.files[name]) >= self.large

    def listing(self, name, blobs):
        siblings = []
        for file, data in self.files.items():
            entry = {"rfilename": file}
            if blobs:
                entry.update(size=len(data), blobId=git_sha1(data))
                if self.is_large(file):
                    entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            siblings.append(entry)
        return {"id": name, "modelId": name, "sha": self.commit, "private": bool(self.token), "gated": self.gated,
                "tags": [], "downloads": 0, "siblings": siblings}


class Faults:
    """What the store does wrong. Counters go down as they happen."""

    def __init__(self):
        self.bytes_per_second = None  # of each connection
        self.corrupt_at = None        # this byte is wrong
        self.stall_after = None       # bytes of an answer, then silence
        self.drop_after = None        # bytes of an answer, then the connection is cut …
        self.num_drops = 0            # … so many times
        self.no_ranges = False
        self.num_expired = 0          # so many signed addresses are refused
        self.num_busy = 0             # so many answers are 429
        self.silent_listing = False   # no sizes, no checksums
        self.redirect_back = False    # the store sends everyone on to the hub


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that was killed is no error of ours; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Standin:
    def __init__(self):
        self.repositories = {}
        self.faults = Faults()
        self.requests = []     # (server, method, path, headers)
        self.store_bytes = 0   # sent in all
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.hub = self._serve("hub", HubHandler)
        self.store = self._serve("store", StoreHandler)
        self.url = f"http://127.0.0.1:{self.hub.server_address[1]}"
        self.store_url = f"http://localhost:{self.store.server_address[1]}"

    def _serve(self, name, handler):
        server = Server(("127.0.0.1", 0), handler)
        server.standin, server.label = self, name
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def add(self, name, *args, **kwargs):
        self.repositories[name] = Repository(*args, **kwargs)
        return self.repositories[name]

    def seen(self, label):
        with self.lock:
            return [request for request in self.requests if request[0] == label]

    def close(self):
        self.closing.set()
        for server in (self.hub, self.store):
            server.shutdown()
            server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    @property
    def standin(self):
        return self.server.standin

    def note(self):
        with self.standin.lock:
            self.standin.requests.append((self.server.label, self.command, self.path, dict(self.headers)))

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def send_data(self, data, etag, faults=None):
        """The data or the range of it that is asked for."""
        begin, end, status = 0, len(data), 200
        wanted = self.headers.get("Range")
        headers = {}
        if wanted and not (faults and faults.no_ranges):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            begin, end = int(first), min(int(last) + 1 if last else len(data), len(data))
            if begin >= len(data):
                return self.answer(416, Content_Range=f"bytes */{len(data)}")
            status = 206
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(data)}"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - begin))
        self.end_headers()
        if self.command != "HEAD":
            self.send_slowly(data[begin:end], begin, faults or Faults())

    def send_slowly(self, data, offset, faults):
        if faults.corrupt_at is not None and offset <= faults.corrupt_at < offset + len(data):
            data = bytearray(data)
            data[faults.corrupt_at - offset] ^= 1
        step = 64 << 10 if not faults.bytes_per_second else max(1024, faults.bytes_per_second // 50)
        sent = 0
        while sent < len(data):
            if faults.stall_after is not None and sent >= faults.stall_after:
                self.standin.closing.wait(60)
                self.close_connection = True
                return
            if faults.drop_after is not None and sent >= faults.drop_after and faults.num_drops > 0:
                faults.num_drops -= 1
                self.close_connection = True
                return
            part = data[sent:sent + step]
            self.wfile.write(part)
            with self.standin.lock:
                self.standin.store_bytes += len(part)
            sent += len(part)
            if faults.bytes_per_second:
                time.sleep(len(part) / faults.bytes_per_second)


class HubHandler(Handler):
    def do_GET(self):
        self.note()
        path, _, query = self.path.partition("?")
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        if parts[:2] == ["api", "models"] and "revision" in parts:
            at = parts.index("revision")
            return self.listing("/".join(parts[2:at]), parts[at + 1], "blobs" in query)
        if "resolve" in parts:
            at = parts.index("resolve")
            return self.resolve("/".join(parts[:at]), parts[at + 1], "/".join(parts[at + 2:]))
        return self.answer(404)

    def repository(self, name):
        """The repository, or nothing once a refusal was sent."""
        repository = self.standin.repositories.get(name)
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if repository is None or (repository.token and not bearer):
            # As the hub does: who is nobody does not learn what is there.
            status = 401 if repository else 404
            self.answer(status, b'{"error":"Repository not found"}', X_Error_Code="RepoNotFound")
            return None
        if repository.token and bearer != repository.token:
            self.answer(403, b'{"error":"Forbidden"}')
            return None
        return repository

    def knows(self, repository, revision):
        if revision in ("main", "v1.0", "refs/pr/1", repository.commit):
            return True
        self.answer(404, b'{"error":"Invalid rev id"}', X_Error_Code="RevisionNotFound")
        return False

    def listing(self, name, revision, blobs):
        repository = self.repository(name)
        if not repository or not self.knows(repository, revision):
            return
        blobs = blobs and not self.standin.faults.silent_listing
        self.answer(200, json.dumps(repository.listing(name, blobs)).encode(), Content_Type="application/json")

    def resolve(self, name, revision, file):
        repository = self.repository(name)
        if not repository or not self.knows(repository, revision):
            return
        if repository.gated:
            return self.answer(403, b'{"error":"Access is restricted"}', X_Error_Code="GatedRepo")
        if file not in repository.files:
            return self.answer(404, b'{"error":"Entry not found"}', X_Error_Code="EntryNotFound")
        data = repository.files[file]
        if not repository.is_large(file):
            return self.send_small(repository, data)
        sha256 = hashlib.sha256(data).hexdigest()
        location = f"{self.standin.store_url}/{name}/{sha256}?signature=1&file={urllib.parse.quote(file)}"
        self.answer(302, b"Found. Redirecting", Location=location, X_Repo_Commit=repository.commit,
                    X_Linked_Size=str(len(data)), X_Linked_Etag=f'"{sha256}"', ETag=f'"{git_sha1(data)}"')

    def send_small(self, repository, data):
        sent = self.send_response

        def with_commit(status, message=None):
            sent(status, message)
            self.send_header("X-Repo-Commit", repository.commit)
        self.send_response = with_commit
        self.send_data(data, git_sha1(data))
        del self.send_response


class StoreHandler(Handler):
    def do_GET(self):
        self.note()
        faults = self.standin.faults
        url = urllib.parse.urlparse(self.path)
        name, sha256 = urllib.parse.unquote(url.path[1:]).rsplit("/", 1)
        if faults.redirect_back:
            return self.answer(302, Location=f"{self.standin.url}/{name}/resolve/stolen/x")
        if faults.num_expired > 0:
            faults.num_expired -= 1
            return self.answer(403, b"Request has expired")
        if faults.num_busy > 0:
            faults.num_busy -= 1
            return self.answer(429, b"slow down", Retry_After="1")
        for data in self.standin.repositories[name].files.values():
            if hashlib.sha256(data).hexdigest() == sha256:
                return self.send_data(data, sha256, faults)
        return self.answer(404)
