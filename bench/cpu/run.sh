#!/usr/bin/env bash
# Millrace beside its peers on this machine's CPU, in one go on the same files. Options: bench/cpu/run.sh --help
# MILLRACE_BENCH_VENV names a Python environment that has bench/cpu/requirements.txt; else .venv/bench is made.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=${MILLRACE_BENCH_VENV:-}
if [ -z "$venv" ]; then
    venv=$root/.venv/bench
    (cd "$root" && scripts/python-env bench/cpu/requirements.txt .venv/bench)
fi
PYTHONPATH=$root/bench exec "$venv/bin/python" -m cpu "$@"
