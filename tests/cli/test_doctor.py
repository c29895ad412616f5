"""`millrace doctor`: shape, and facts compared with what the operating system says elsewhere."""
import os
import resource
import socket

STATES = {"ok", "warn", "fail"}


def checks(report):
    return {check["name"]: check for check in report["checks"]}


def test_the_shape_and_the_facts(millrace):
    report = millrace.json("doctor")
    assert report["ok"] is True
    by_name = checks(report)
    for name in ("version", "cpu", "kernels", "speed", "memory", "huge pages", "gpus", "ports", "open files", "CUDA kernels"):
        assert name in by_name
    for check in report["checks"]:
        assert check["state"] in STATES and check["text"] and "\n" not in check["text"] + (check["fix"] or "")
        assert check["fix"] or check["state"] == "ok", check
    cpuinfo = open("/proc/cpuinfo").read()
    assert by_name["cpu"]["details"]["model"] in cpuinfo
    assert all(feature in cpuinfo for feature in by_name["cpu"]["details"]["features"])
    assert by_name["cpu"]["details"]["logical_cores"] == os.cpu_count()
    kernels = by_name["kernels"]["details"]
    assert kernels["chosen"] == kernels["runnable"][-1] and kernels["runnable"][0] == "reference" and kernels["correct"]
    assert kernels["chosen"] in millrace.run("version").out
    speed = by_name["speed"]["details"]
    assert 0 < speed["threads"] <= os.cpu_count()
    assert all(speed[key] > 1e6 for key in ("read_bytes_per_second", "flops_per_second", "weight_bytes_per_second"))
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert by_name["memory"]["details"]["total"] == total and by_name["memory"]["details"]["available"] <= total
    assert by_name["open files"]["details"]["soft"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0] or \
        by_name["open files"]["details"]["soft"] == 1 << 30


def test_one_line_a_check(millrace):
    done = millrace.run("doctor", "--quick")
    assert done.returncode == 0
    lines = done.out.splitlines()
    assert all(line.split()[0] in STATES for line in lines) and "\x1b" not in done.out
    assert "speed" not in checks(millrace.json("doctor", "--quick"))


def test_a_taken_port(millrace):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8002))
            taken.listen()
        except OSError:
            pass  # somebody else's: taken all the same
        check = checks(millrace.json("doctor", "--quick"))["ports"]
        assert check["details"]["ports"]["8002"] == "taken" and check["state"] == "warn" and "--port" in check["fix"]


def test_few_open_files(millrace):
    done = millrace.run("doctor", "--quick", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024)))
    assert done.returncode == 0 and "ulimit -n 1024" in done.out
