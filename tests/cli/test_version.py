"""`millrace version` names the commit that was built, not the one that CMake was last run on."""
import shutil
import subprocess

from live_server import ROOT

CMAKE = """\
cmake_minimum_required(VERSION 3.22)
project(sample LANGUAGES CXX)
list(APPEND CMAKE_MODULE_PATH ${CMAKE_SOURCE_DIR}/cmake)
include(millrace_commit)
include_directories(${CMAKE_SOURCE_DIR})
add_executable(sample main.cc)
millrace_embed_commit(sample)
"""
MAIN = """\
#include <cstdio>
#include "app/commit.h"
int main() { std::puts(millrace::app::kCommit); }
"""


def test_the_commit_is_that_of_the_build(tmp_path):
    source, build = tmp_path / "source", tmp_path / "build"
    (source / "app").mkdir(parents=True)
    (source / "cmake").mkdir()
    (source / "CMakeLists.txt").write_text(CMAKE)
    (source / "main.cc").write_text(MAIN)
    shutil.copy(ROOT / "src/app/commit.h", source / "app")
    for name in ("millrace_commit.cmake", "write_commit.cmake"):
        shutil.copy(ROOT / "cmake" / name, source / "cmake")

    def run(*words):
        done = subprocess.run(words, cwd=source, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def commit(*more):
        run("git", "-c", "user.name=n", "-c", "user.email=e@x", "commit", "-q", "-m", "m", "--allow-empty", *more)
        return run("git", "rev-parse", "--short", "HEAD")

    run("git", "init", "-q")
    first = commit()
    run("cmake", "-G", "Ninja", "-S", str(source), "-B", str(build))
    run("cmake", "--build", str(build))
    assert run(str(build / "sample")) == first
    second = commit()
    run("cmake", "--build", str(build))
    assert run(str(build / "sample")) == second != first
    assert "no work to do" in run("cmake", "--build", str(build))
