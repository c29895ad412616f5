"""Ratios as horizontal bars in one SVG without outside parts. The scale is logarithmic: twice and half as good look alike."""
import math
from xml.sax.saxutils import escape

LABEL, WIDTH, ROW, TOP = 430, 460, 22, 34  # pixels
COLOURS = {True: "#2e7d32", False: "#c62828", None: "#607d8b"}
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000)


def scale(ratios):
    """From a ratio to 0..1, with 1× always inside."""
    low, high = min([*ratios, 0.5]), max([*ratios, 2.0])
    span = math.log(high) - math.log(low)
    return lambda ratio: (math.log(ratio) - math.log(low)) / span


def text(x, y, words, anchor="start", size=12):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}">{escape(words)}</text>'


def to_svg(rows, title):
    shown = [row for row in rows if row["ratio"] and row["ratio"] > 0 and math.isfinite(row["ratio"])]
    at = scale([row["ratio"] for row in shown])
    height = TOP + ROW * len(shown) + 30
    box = f"0 0 {LABEL + WIDTH + 90} {height}"
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" font-family="sans-serif" fill="#222">',
             f'<rect width="100%" height="100%" fill="#fff"/>{text(10, 20, title, size=14)}']
    for tick in TICKS:
        if 0 <= at(tick) <= 1:
            x, colour = LABEL + WIDTH * at(tick), "#222" if tick == 1 else "#ddd"
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{height - 24}" stroke="{colour}"/>'
                         + text(x, height - 8, f"{tick:g}×", "middle", 11))
    for i, row in enumerate(shown):
        y = TOP + ROW * i
        left, right = sorted((LABEL + WIDTH * at(1), LABEL + WIDTH * at(row["ratio"])))
        size = f'width="{max(right - left, 1):.1f}" height="{ROW - 7}"'
        parts.append(text(LABEL - 8, y + 13, row["name"], "end")
                     + f'<rect x="{left:.1f}" y="{y + 2}" {size} fill="{COLOURS[row["met"]]}"/>'
                     + text(right + 5, y + 13, f"{row['ratio']:.2f}×"))
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
