#!/usr/bin/env python3
"""Checks the shape of the source tree: includes point down (src/LAYERS), no include cycles, files and functions
stay small, every header is named by a test of its layer. Prints one line a finding; exit status 1 if there is any.

usage: check_tree.py [ROOT]      ROOT holds src/ (default: the folder above this script's)
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
LIMITS = {"source": 500, "kernel": 800, "header": 220, "function": 70}


def read_layers(src):
    """{folder: set of folders it may include}, from src/LAYERS; '*' means everything."""
    layers = {}
    for number, line in enumerate((src / "LAYERS").read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        folder, colon, allowed = line.partition(":")
        if not colon:
            raise SystemExit(f"src/LAYERS:{number}: expected 'folder : folders'")
        layers[folder.strip()] = set(allowed.split())
    return layers


def includes_of(path, src):
    """The project files that `path` includes, as paths relative to src; ISA folders may name neighbours bare."""
    for name in INCLUDE.findall(path.read_text(errors="replace")):
        if (src / name).exists():
            yield name
        elif (path.parent / name).exists():
            yield str((path.parent / name).resolve().relative_to(src.resolve()))


def check_layers(graph, layers):
    for file, targets in graph.items():
        layer = file.split("/")[0]
        if layer not in layers:
            yield f"{file}: folder '{layer}' is not in src/LAYERS"
            continue
        for target in targets:
            to = target.split("/")[0]
            if to != layer and to not in layers[layer] and "*" not in layers[layer]:
                yield f"{file}: includes {target}, but {layer} may include only: {' '.join(sorted(layers[layer])) or 'nothing'}"


def check_cycles(graph):
    state = {}

    def visit(file, path):
        state[file] = "open"
        for target in graph.get(file, ()):
            if state.get(target) == "open":
                cycle = path[path.index(target):] + [target]
                yield "include cycle: " + " → ".join(cycle)
            elif target not in state:
                yield from visit(target, path + [target])
        state[file] = "done"

    for file in graph:
        if file not in state:
            yield from visit(file, [file])


def check_sizes(src, files):
    for file in files:
        lines = (src / file).read_text(errors="replace").splitlines()
        kind = "header" if file.endswith(".h") else "kernel" if file.startswith("kernels/") else "source"
        if len(lines) > LIMITS[kind]:
            yield f"{file}: {len(lines)} lines; a {kind} has at most {LIMITS[kind]}"
        start = None
        for number, line in enumerate(lines, 1):
            if re.match(r"^[A-Za-z_].*\{\s*$", line) and not re.match(r"^(namespace|struct|class|enum|union|extern)", line):
                start = number
            elif line.startswith("}") and start:
                if number - start + 1 > LIMITS["function"]:
                    yield f"{file}:{start}: a function of {number - start + 1} lines; at most {LIMITS['function']}"
                start = None


def check_tests(files, graph):
    """Each header with a source beside it is used, directly or through what it tests, by some test of its layer."""
    for layer in sorted({f.split("/")[0] for f in files} - {"app"}):
        todo = [f for f in files if f.endswith("_test.cc") and f.startswith(layer + "/")]
        if layer == "kernels" and todo:  # one test body runs every machine's table
            todo += [f for f in files if re.fullmatch(r"kernels/\w+/\w+\.cc", f)]
        reached = set(todo)
        while todo:
            for target in graph.get(todo.pop(), ()):
                for file in (target, target[:-2] + ".cc"):
                    if file in files and file not in reached:
                        reached.add(file)
                        todo.append(file)
        for file in sorted(files):
            if file.startswith(layer + "/") and file.endswith(".h") and file[:-2] + ".cc" in files and file not in reached:
                yield f"{file}: no test in src/{layer} reaches it"


def check(root):
    src = pathlib.Path(root) / "src"
    files = sorted(str(p.relative_to(src)) for p in src.rglob("*") if p.suffix in (".h", ".cc", ".cu", ".cuh"))
    graph = {f: sorted(set(includes_of(src / f, src))) for f in files}
    findings = list(check_layers(graph, read_layers(src)))
    findings += check_cycles(graph)
    findings += check_sizes(src, files)
    findings += check_tests(set(files), graph)
    return findings


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    findings = check(root)
    for finding in findings:
        print(finding)
    print(f"check_tree: {len(findings)} finding{'s' if len(findings) != 1 else ''}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
