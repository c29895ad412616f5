#!/usr/bin/env bash
# What serving a graph model costs, beside the runtime alone and beside a Python service, in one go. Options: bench/graph/run.sh --help
# MILLRACE_BENCH_VENV names a Python environment that has bench/graph/requirements.txt; else .venv/bench-graph is made.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=${MILLRACE_BENCH_VENV:-}
if [ -z "$venv" ]; then
    venv=$root/.venv/bench-graph
    (cd "$root" && scripts/python-env bench/graph/requirements.txt .venv/bench-graph)
fi
PYTHONPATH=$root/bench exec "$venv/bin/python" -m graph "$@"
