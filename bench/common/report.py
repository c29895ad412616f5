"""The measured rows as JSON, as a Markdown table and as bars. Pure: text in, text out."""
import json
import math
from xml.sax.saxutils import escape

MARK = {True: "yes", False: "**no**", None: "–"}
WHITE_SPACE = str.maketrans({"\n": " ", "\r": " ", "\t": " "})


def number(value):
    """Three significant digits, thousands grouped."""
    if value is None or not math.isfinite(value):
        return "–"
    if value and abs(value) < 0.001:
        return f"{value:.2e}"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{digits}f}"


def cell(text):
    """Within a Markdown table: no bars, no line ends, no HTML."""
    return escape(str(text).translate(WHITE_SPACE)).replace("|", "\\|").strip()


def to_json(head, rows, not_measured):
    return json.dumps({**head, "rows": rows, "not_measured": [{"name": n, "reason": r} for n, r in not_measured]},
                      indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def measured_with_range(value, low_high):
    if value is None:
        return "–"
    return number(value) + (f" ({number(low_high[0])} to {number(low_high[1])})" if low_high and low_high[0] != low_high[1] else "")


def table(rows):
    lines = ["| row | unit | ours | peer | ratio | of the limit | goal | met |", "|---|---|--:|--:|--:|--:|---|---|"]
    for row in rows:
        ratio = f"{number(row['ratio'])}×" if row["ratio"] is not None else "–"
        fraction = f"{100 * row['limit_fraction']:.0f} %" if row["limit_fraction"] is not None else "–"
        cells = [cell(row["name"]), cell(row["unit"]), measured_with_range(row["ours"], row["ours_range"]),
                 measured_with_range(row["peer"], row["peer_range"]), ratio, fraction, cell(row["goal"] or "–"), MARK[row["met"]]]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def together(names, most=3):
    rest = len(names) - most
    return "; ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def reasons(rows):
    """Each once, with the rows it is true of."""
    by_reason = {}
    for row in rows:
        if row["reason"]:
            by_reason.setdefault(row["reason"], []).append(row["name"])
    return [f"- {cell(together(names))}: {cell(reason)}" for reason, names in by_reason.items()]


def how(rows):
    """Flags and versions, each combination once."""
    seen = {}
    for row in rows:
        key = (row["our_flags"], row["peer_version"], row["peer_flags"], row["note"])
        seen.setdefault(key, []).append(row["name"])
    lines = ["| rows | ours | peer | its flags | note |", "|---|---|---|---|---|"]
    for key, names in seen.items():
        lines.append("| " + " | ".join(cell(text or "–") for text in (together(names), *key)) + " |")
    return lines


def of_commits(rows):
    """Which rows are of which commit, where they are not all of one."""
    by_commit = {}
    for row in rows:
        by_commit.setdefault(row.get("commit"), []).append(row["name"])
    if len(by_commit) < 2:
        return []
    return ["## Commits", *(f"- {cell(commit)}: {cell(together(names, 8))}" for commit, names in by_commit.items()), ""]


def rounds_of(head, rows):
    """"5", or "3 to 5" where rows were measured by different numbers."""
    most = [row["rounds"] for row in rows if row["rounds"]] or [head["rounds"]]
    return f"{min(most)}" if min(most) == max(most) else f"{min(most)} to {max(most)}"


def machine_lines(head):
    machine = head["machine"]
    cpu = machine["doctor"].get("cpu", {})
    lines = [f"- {cell(cpu.get('model', 'unknown CPU'))}, cores {cell(machine['cores'])} for every process, "
             f"{machine['threads']} threads",
             f"- features: {cell(' '.join(cpu.get('features', [])) or 'unknown')}"]
    if "failed" in machine["doctor"]:
        lines.append(f"- `millrace doctor` failed: {cell(machine['doctor']['failed'])}")
    for name, values in machine.get("ceilings", {}).items():
        lines.append(f"- {cell(name)}, 1 thread and all: {', '.join(number(value) for value in values)}")
    return lines


def to_markdown(head, rows, not_measured, svg_name, title="CPU against its peers"):
    known = [row["met"] for row in rows if row["met"] is not None]
    parts = [f"# {title}, {head['date']}", "",
             f"Commit {cell(head['commit'])}, {cell(head['binary'])}, median of {rounds_of(head, rows)} alternating rounds, smallest and largest in brackets. "
             "Ratios say how much better we are, for times and errors too. Limits are what `bench/ceilings.cc` reached beside each row. "
             f"{sum(known)} of {len(known)} goals met, {len(rows) - len(known)} without verdict.", ""]
    if head["quick"]:
        parts += ["**A quick run: small shapes, one round. The figures say only that the rows run.**", ""]
    parts += [f"![ratios]({svg_name})", "", "Green: goal met; red: not; grey: no goal or no verdict.", "", *table(rows), ""]
    if any(row["reason"] for row in rows):
        parts += ["## What went wrong", *reasons(rows), ""]
    if not_measured:
        parts += ["## Not measured yet", *(f"- {cell(name)}: {cell(reason)}" for name, reason in not_measured), ""]
    parts += [*of_commits(rows), "## Machine", *machine_lines(head), "", "## How", *how(rows), ""]
    return "\n".join(parts)
