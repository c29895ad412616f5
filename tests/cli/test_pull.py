"""`millrace pull` against a hub with faults to order: the right file, or one clear sentence; never half a file under its name."""
import hashlib
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import time

import pytest

EXIT_USAGE, EXIT_DATA, EXIT_NO_INPUT, EXIT_UNAVAILABLE, EXIT_IO, EXIT_NO_PERMISSION, EXIT_INTERRUPTED = 64, 65, 66, 69, 74, 77, 130
MIB = 1 << 20


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def gguf_repository(hub, size=3 * MIB, **more):
    """The repository and the bytes of its one GGUF."""
    data = noise(size)
    return hub.add("org/Tiny-GGUF", {"README.md": b"# tiny", "Tiny-Q4_K_M.gguf": data}, **more), data


def final(millrace):
    return millrace.models / "tiny" / "Tiny-Q4_K_M.gguf"


def assert_refused(done, status, *words):
    assert done.returncode == status, (done.returncode, done.err)
    line = done.err.strip().splitlines()[-1]
    assert line.startswith("millrace: "), done.err
    for word in words:
        assert word in line, (word, line)


# ---- what is fetched ------------------------------------------------------------------------------------------------
def test_a_folder_of_safetensors(millrace, hub):
    files = {"config.json": b'{"a":1}', "tokenizer.json": noise(2000, 2), "model-00001-of-00002.safetensors": noise(MIB, 3),
             "model-00002-of-00002.safetensors": noise(MIB, 4), "model.safetensors.index.json": b"{}", "merges.txt": b""}
    extra = {"README.md": b"x", "onnx/model.onnx": b"x", "pytorch_model.bin": b"x", "consolidated.safetensors": b"x",
             ".gitattributes": b"x"}
    hub.add("Org/My-Model", {**extra, **files})
    report = millrace.json("pull", "hf:Org/My-Model")
    assert report["folder"].endswith("models/my-model") and report["revision"].startswith("c0ffee")
    assert {f["name"] for f in report["files"]} == set(files)
    # What makes it look like a model comes last.
    assert report["files"][-1]["name"] == "config.json"
    for name, data in files.items():
        assert (millrace.models / "my-model" / name).read_bytes() == data
    assert millrace.files() == sorted("my-model/" + name for name in files)

    sent = hub.store_bytes
    again = millrace.json("pull", "hf:Org/My-Model")
    assert all(f["was_there"] for f in again["files"]) and hub.store_bytes == sent


def test_one_gguf_of_many(millrace, hub):
    names = ["M-Q2_K.gguf", "M-Q4_K_M.gguf", "M-Q8_0.gguf", "mmproj-M-f16.gguf", "config.json"]
    hub.add("o/m-GGUF", {name: noise(3000, i) for i, name in enumerate(names)})
    assert [f["name"] for f in millrace.json("pull", "hf:o/m-GGUF")["files"]] == ["M-Q4_K_M.gguf"]
    # A second model does not go into the first one's folder.
    assert_refused(millrace.run("pull", "hf:o/m-GGUF:Q8_0"), 1, "--name")
    report = millrace.json("pull", "hf:o/m-GGUF:Q8_0", "--name", "other")
    assert [f["name"] for f in report["files"]] == ["M-Q8_0.gguf"]
    report = millrace.json("pull", "hf:o/m-GGUF:*Q2*", "--to", "elsewhere")
    assert (millrace.folder / "elsewhere/m/M-Q2_K.gguf").read_bytes() == noise(3000, 0) and len(report["files"]) == 1


def test_several_gguf_and_none_preferred(millrace, hub):
    hub.add("o/m", {"M-Q2_K.gguf": b"1", "M-Q8_0.gguf": b"2"})
    assert_refused(millrace.run("pull", "hf:o/m"), EXIT_USAGE, "M-Q2_K.gguf", "M-Q8_0.gguf")
    hub.add("o/n", {"README.md": b"1"})
    assert_refused(millrace.run("pull", "hf:o/n"), EXIT_NO_INPUT, "neither")
    assert millrace.files() == []


def test_a_split_gguf_comes_whole(millrace, hub):
    parts = {f"M-Q4_K_M-0000{i}-of-00003.gguf": noise(5000, i) for i in (1, 2, 3)}
    hub.add("o/m", {**parts, "M-Q8_0.gguf": b"x"})
    names = [f["name"] for f in millrace.json("pull", "hf:o/m")["files"]]
    assert sorted(names) == sorted(parts) and "00001" in names[-1]


def test_a_revision_and_a_listing_without_checksums(millrace, hub):
    repository, data = gguf_repository(hub)
    hub.faults.silent_listing = True
    report = millrace.json("pull", "hf:org/Tiny-GGUF@refs/pr/1")
    assert report["revision"] == repository.commit and final(millrace).read_bytes() == data
    assert report["files"][0]["checksum"] == "SHA-256 " + hashlib.sha256(data).hexdigest()
    assert_refused(millrace.run("pull", "hf:org/Tiny-GGUF@nowhere"), EXIT_NO_INPUT, "404")


def test_large_files_come_over_several_connections(millrace, hub):
    _, data = gguf_repository(hub, 40 * MIB)
    assert millrace.run("pull", "hf:org/Tiny-GGUF").returncode == 0
    ranges = {headers["Range"] for _, _, _, headers in hub.seen("store") if "Range" in headers}
    assert len(ranges) >= 3 and final(millrace).read_bytes() == data


# ---- interruptions --------------------------------------------------------------------------------------------------
def test_killed_twenty_times_and_resumed(millrace, hub):
    size = 24 * MIB
    _, data = gguf_repository(hub, size)
    hub.faults.bytes_per_second = 3 * MIB // 2  # of each of two connections
    chance = random.Random(7)
    kills = 0
    while kills < 20:
        sent = hub.store_bytes
        process = millrace.start("pull", "hf:org/Tiny-GGUF", "--connections", 2)
        while kills % 2 and hub.store_bytes == sent and process.poll() is None:
            time.sleep(0.01)  # every second kill hits the data, whatever the machine's speed
        try:
            process.wait(chance.uniform(0.05, 0.6))
            break  # it ended before its time: fewer kills than wanted
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
        assert not final(millrace).exists()
    assert kills == 20
    interrupted_bytes = hub.store_bytes
    assert interrupted_bytes > MIB  # the kills came while it worked
    hub.faults.bytes_per_second = None
    assert millrace.run("pull", "hf:org/Tiny-GGUF").returncode == 0
    assert final(millrace).read_bytes() == data
    assert millrace.files() == ["tiny/Tiny-Q4_K_M.gguf"]
    # Resumed, not begun again: what the last run fetched is what was missing, and little was fetched twice.
    assert hub.store_bytes - interrupted_bytes < size
    assert hub.store_bytes < 2 * size


def test_ctrl_c_keeps_what_came(millrace, hub):
    _, data = gguf_repository(hub, 8 * MIB)
    hub.faults.bytes_per_second = 4 * MIB
    process = millrace.start("pull", "hf:org/Tiny-GGUF")
    time.sleep(0.8)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == EXIT_INTERRUPTED and "go on" in err
    assert millrace.files() == ["tiny/Tiny-Q4_K_M.gguf.part", "tiny/Tiny-Q4_K_M.gguf.part.journal"]
    hub.faults.bytes_per_second = None
    sent = hub.store_bytes
    assert millrace.run("pull", "hf:org/Tiny-GGUF").returncode == 0
    assert final(millrace).read_bytes() == data and hub.store_bytes - sent < len(data)


def test_a_new_version_does_not_continue_the_old_part(millrace, hub):
    repository, _ = gguf_repository(hub, 4 * MIB)
    hub.faults.bytes_per_second = 2 * MIB
    process = millrace.start("pull", "hf:org/Tiny-GGUF")
    time.sleep(0.8)
    process.kill()
    process.communicate()
    hub.faults.bytes_per_second = None
    fresh = noise(4 * MIB, 99)
    repository.files["Tiny-Q4_K_M.gguf"] = fresh
    assert millrace.run("pull", "hf:org/Tiny-GGUF").returncode == 0
    assert final(millrace).read_bytes() == fresh
    # And a finished file is replaced, whole, by the next version.
    fresher = noise(3 * MIB, 100)
    repository.files["Tiny-Q4_K_M.gguf"] = fresher
    assert millrace.run("pull", "hf:org/Tiny-GGUF").returncode == 0
    assert final(millrace).read_bytes() == fresher


def test_two_at_once_do_not_mix(millrace, hub):
    _, data = gguf_repository(hub, 4 * MIB)
    hub.faults.bytes_per_second = 2 * MIB
    first = millrace.start("pull", "hf:org/Tiny-GGUF")
    time.sleep(0.8)
    assert_refused(millrace.run("pull", "hf:org/Tiny-GGUF"), 1, "another pull")
    hub.faults.bytes_per_second = None
    first.communicate(timeout=60)
    assert first.returncode == 0 and final(millrace).read_bytes() == data


# ---- a network and a server that fail -------------------------------------------------------------------------------
def test_a_corrupted_byte_is_found(millrace, hub):
    _, data = gguf_repository(hub)
    hub.faults.corrupt_at = len(data) - 5
    assert_refused(millrace.run("pull", "hf:org/Tiny-GGUF"), EXIT_DATA, "SHA-256", "nothing was kept")
    assert millrace.files() == []
    hub.faults.corrupt_at = None
    assert millrace.run("pull", "hf:org/Tiny-GGUF").returncode == 0
    assert final(millrace).read_bytes() == data


def test_a_small_file_is_checked_too(millrace, hub):
    hub.add("o/m", {"config.json": b"{}", "model.safetensors": noise(2000)}, large=10**9)
    listing = hub.repositories["o/m"].listing("o/m", True)
    for sibling in listing["siblings"]:
        sibling["blobId"] = "0" * 40
    hub.repositories["o/m"].listing = lambda *a: listing
    assert_refused(millrace.run("pull", "hf:o/m"), EXIT_DATA, "git SHA-1")
    assert millrace.files() == []


def test_a_part_spoilt_on_the_disk_is_found(millrace, hub):
    _, data = gguf_repository(hub, 6 * MIB)
    hub.faults.bytes_per_second = 3 * MIB
    process = millrace.start("pull", "hf:org/Tiny-GGUF")
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    hub.faults.bytes_per_second = None
    part = pathlib.Path(str(final(millrace)) + ".part")
    with open(part, "r+b") as file:
        byte = file.read(1)
        file.seek(0)
        file.write(bytes([byte[0] ^ 1]))
    assert_refused(millrace.run("pull", "hf:org/Tiny-GGUF"), EXIT_DATA, "SHA-256")
    assert millrace.run("pull", "hf:org/Tiny-GGUF").returncode == 0
    assert final(millrace).read_bytes() == data


def test_a_silent_server_is_given_up_and_resumed_later(millrace, hub):
    _, data = gguf_repository(hub)
    hub.faults.stall_after = MIB
    done = millrace.run("pull", "hf:org/Tiny-GGUF", "--stall-timeout", 1, "--tries", 1)
    assert_refused(done, EXIT_UNAVAILABLE, "sent nothing for 1 s", "kept")
    assert not final(millrace).exists()
    hub.faults.stall_after = None
    sent = hub.store_bytes
    assert millrace.run("pull", "hf:org/Tiny-GGUF").returncode == 0
    assert final(millrace).read_bytes() == data and hub.store_bytes - sent <= 2 * MIB + 65536


def test_cut_connections_are_tried_again(millrace, hub):
    _, data = gguf_repository(hub)
    hub.faults.drop_after, hub.faults.num_drops = 700_000, 3
    assert millrace.run("pull", "hf:org/Tiny-GGUF").returncode == 0
    assert final(millrace).read_bytes() == data and hub.faults.num_drops == 0
    assert hub.store_bytes < len(data) + 3 * 65536 * 2


def test_a_server_that_keeps_cutting_ends_in_a_sentence(millrace, hub):
    gguf_repository(hub)
    hub.faults.drop_after, hub.faults.num_drops = 0, 10**6
    done = millrace.run("pull", "hf:org/Tiny-GGUF", "--tries", 2)
    assert_refused(done, EXIT_UNAVAILABLE, "2 tries", "kept")


def test_a_store_without_ranges(millrace, hub):
    _, data = gguf_repository(hub, 20 * MIB)
    hub.faults.no_ranges = True
    assert millrace.run("pull", "hf:org/Tiny-GGUF").returncode == 0
    assert final(millrace).read_bytes() == data


def test_an_address_that_ran_out_is_asked_for_again(millrace, hub):
    _, data = gguf_repository(hub)
    hub.faults.num_expired = 1
    assert millrace.run("pull", "hf:org/Tiny-GGUF").returncode == 0
    assert final(millrace).read_bytes() == data


def test_a_busy_store_is_waited_for(millrace, hub):
    _, data = gguf_repository(hub)
    hub.faults.num_busy = 1
    start = time.monotonic()
    assert millrace.run("pull", "hf:org/Tiny-GGUF").returncode == 0
    assert time.monotonic() - start >= 1  # as Retry-After says
    assert final(millrace).read_bytes() == data


def test_nobody_listens(millrace, hub):
    millrace.env["HF_ENDPOINT"] = "http://127.0.0.1:9"
    assert_refused(millrace.run("pull", "hf:o/m"), EXIT_UNAVAILABLE, "127.0.0.1")
    millrace.env["HF_ENDPOINT"] = "ftp://x"
    assert_refused(millrace.run("pull", "hf:o/m"), EXIT_USAGE, "HF_ENDPOINT")


def test_not_found(millrace, hub):
    gguf_repository(hub)
    assert_refused(millrace.run("pull", "hf:org/nothing"), EXIT_NO_INPUT, "404", "org/nothing")
    assert_refused(millrace.run("pull", "hf:org/Tiny-GGUF:none.gguf"), EXIT_NO_INPUT, "none.gguf", "Tiny-Q4_K_M.gguf")
    for source in ("org/name", "hf:", "hf:../x", "hf:a/b/c", "pypi:x", "pypi:x==", "pypi:-x==1", "hf:a/b@../x"):
        assert_refused(millrace.run("pull", source), EXIT_USAGE)
    assert millrace.files() == []


def test_an_error_for_a_script(millrace, hub):
    done = millrace.run("pull", "hf:org/nothing", "--json")
    assert json.loads(done.out)["error"]["exit_status"] == done.returncode == EXIT_NO_INPUT


# ---- the disk -------------------------------------------------------------------------------------------------------
def test_a_file_larger_than_allowed(millrace, hub):
    gguf_repository(hub)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))  # noqa: E731
    assert_refused(millrace.run("pull", "hf:org/Tiny-GGUF", preexec_fn=limit), EXIT_IO, "ulimit")
    assert not final(millrace).exists()


def test_a_full_disk(millrace, hub):
    """On a file system of 2 MiB: refused before a byte came; and once more with a part that cannot grow."""
    _, data = gguf_repository(hub)
    script = ('mount -t tmpfs -o size=2m none models && "$0" pull hf:org/Tiny-GGUF; first=$?; find models -type f; '
              'truncate -s 0 models/tiny/Tiny-Q4_K_M.gguf.part; "$0" pull hf:org/Tiny-GGUF; echo "status $first $?"; '
              'find models -name "*.gguf"')
    millrace.models.mkdir()
    (millrace.models / "tiny").mkdir()
    from live_server import binary
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    alone = ["unshare", "--mount", *user]
    if subprocess.run([*alone, "true"], capture_output=True).returncode != 0:
        pytest.skip("this machine lends no mount namespace (a chroot, say); the file-size limit above stands in")
    done = subprocess.run([*alone, "sh", "-c", script, str(binary())], cwd=millrace.folder,
                          env=millrace.env, capture_output=True, text=True, timeout=60)
    assert f"status {EXIT_IO} {EXIT_IO}" in done.stdout, (done.stdout, done.stderr)
    assert done.stdout.strip().endswith(f"status {EXIT_IO} {EXIT_IO}"), done.stdout  # no file under its name
    assert "free" in done.stderr and "space" in done.stderr


def test_a_folder_that_is_not_ours(millrace, hub):
    gguf_repository(hub)
    millrace.models.write_text("not a folder")
    assert millrace.run("pull", "hf:org/Tiny-GGUF").returncode != 0
    assert millrace.models.read_text() == "not a folder"


# ---- hostile names --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["../evil.gguf", "/tmp/millrace-evil.gguf", "a/../../evil.gguf", "a\\evil.gguf", "a//evil.gguf",
                                  "evil\n.gguf", "./evil.gguf", "a/.", "x.gguf.part", "y" * 300 + ".gguf"])
def test_hostile_names_are_refused(millrace, hub, name):
    hub.add("o/m", {"good.txt": b"fine", name: noise(2000)})
    assert_refused(millrace.run("pull", "hf:o/m:*"), EXIT_DATA, "refused")
    assert millrace.files() == [] and not pathlib.Path("/tmp/millrace-evil.gguf").exists()
    assert [p.name for p in millrace.folder.iterdir() if "evil" in p.name] == []


def test_a_link_in_the_way_is_not_followed(millrace, hub):
    hub.add("o/m", {"sub/x.gguf": noise(2000)})
    outside = millrace.folder / "outside"
    outside.mkdir()
    (millrace.models / "m").mkdir(parents=True)
    (millrace.models / "m" / "sub").symlink_to(outside)
    assert_refused(millrace.run("pull", "hf:o/m:*.gguf"), EXIT_DATA, "refused")
    assert list(outside.iterdir()) == []


# ---- the token ------------------------------------------------------------------------------------------------------
def authorizations(hub, label):
    return {headers.get("Authorization") for _, _, _, headers in hub.seen(label)}


def test_the_token_opens_and_does_not_leak(millrace, hub):
    _, data = gguf_repository(hub, token="hf_secret")
    assert_refused(millrace.run("pull", "hf:org/Tiny-GGUF"), EXIT_NO_PERMISSION, "--token")
    done = millrace.run("pull", "hf:org/Tiny-GGUF", "--token", "hf_secret")
    assert done.returncode == 0 and final(millrace).read_bytes() == data
    assert "Bearer hf_secret" in authorizations(hub, "hub")
    assert authorizations(hub, "store") == {None}
    assert "hf_secret" not in done.out + done.err
    assert_refused(millrace.run("pull", "hf:org/Tiny-GGUF", "--token", "hf_wrong"), EXIT_NO_PERMISSION, "403")


def test_the_token_does_not_come_back_from_a_detour(millrace, hub):
    gguf_repository(hub, token="hf_secret")
    hub.faults.redirect_back = True
    done = millrace.run("pull", "hf:org/Tiny-GGUF", "--token", "hf_secret", "--tries", 2)
    assert done.returncode != 0
    detour = [headers for _, _, path, headers in hub.seen("hub") if "stolen" in path]
    assert detour and all("Authorization" not in headers for headers in detour)


def test_where_the_token_comes_from(millrace, hub):
    gguf_repository(hub, 2000, token="hf_secret")
    cache = millrace.folder / "cache" / "huggingface"
    cache.mkdir(parents=True)
    (cache / "token").write_text("hf_secret\n")
    assert millrace.run("pull", "hf:org/Tiny-GGUF").returncode == 0
    millrace.env["HF_TOKEN"] = "hf_other"
    assert_refused(millrace.run("pull", "hf:org/Tiny-GGUF"), EXIT_NO_PERMISSION)
    millrace.env["HF_TOKEN"] = "two\nlines"
    assert_refused(millrace.run("pull", "hf:org/Tiny-GGUF"), EXIT_USAGE, "HF_TOKEN")


def test_a_gated_model(millrace, hub):
    gguf_repository(hub, gated=True)
    assert_refused(millrace.run("pull", "hf:org/Tiny-GGUF", "--token", "hf_mine"), EXIT_NO_PERMISSION, "terms")


def test_a_given_checksum(millrace, hub):
    _, data = gguf_repository(hub)
    assert_refused(millrace.run("pull", "hf:org/Tiny-GGUF", "--sha256", "0" * 64), EXIT_DATA, "--sha256")
    good = hashlib.sha256(data).hexdigest()
    assert millrace.run("pull", "hf:org/Tiny-GGUF", "--sha256", good).returncode == 0


def test_no_bar_where_nobody_watches(millrace, hub):
    gguf_repository(hub)
    done = millrace.run("pull", "hf:org/Tiny-GGUF")
    assert "\x1b" not in done.out + done.err and "\r" not in done.err
    assert "millrace run" in done.out


def test_a_bar_on_a_terminal(millrace, hub):
    """One line, redrawn, never wider than the terminal, gone at the end."""
    import fcntl
    import pty
    import struct
    import termios
    _, data = gguf_repository(hub, 4 * MIB)
    hub.faults.bytes_per_second = 4 * MIB
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    millrace.env["TERM"] = "xterm"
    from live_server import binary
    process = subprocess.Popen([str(binary()), "pull", "hf:org/Tiny-GGUF"], cwd=millrace.folder, env=millrace.env,
                               stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
    assert process.wait(60) == 0 and final(millrace).read_bytes() == data
    drawn = [line for line in seen.decode().split("\r\x1b[K") if "█" in line or "░" in line]
    assert len(drawn) > 3 and all(len(line) < 60 for line in drawn), drawn
    assert "100 %" in drawn[-1] and seen.decode().split("\r\x1b[K")[-1].startswith("models/tiny")
