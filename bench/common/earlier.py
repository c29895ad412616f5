"""Rows of an earlier report that stay in a new one."""
import json


def rows_of(path):
    """Those of the report `path`; none where there is no such file. Each says its commit."""
    if not path.exists():
        return []
    report = json.loads(path.read_text())
    return [{"commit": report["commit"], **row} for row in report["rows"]]


def with_earlier(rows, earlier, names):
    """`rows`, and those of `earlier` that are not among them, in the order of `names`."""
    found = {row["name"]: row for row in (*earlier, *rows)}
    place = {name: i for i, name in enumerate(names)}
    return sorted(found.values(), key=lambda row: place.get(row["name"], len(names)))
