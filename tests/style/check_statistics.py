"""docs/statistics.md has a row for each row of include/hakmem/stats_table.h, and says the same.

Run as a program it writes the rows anew: python3 tests/style/check_statistics.py --write
"""

import pathlib
import re
import sys

TABLE, PAGE = "include/hakmem/stats_table.h", "docs/statistics.md"
ROW = re.compile(r'^\s*X\((\w+), "([^"]*)", (COUNT|GAUGE),\s*"([^"]*)"\)', re.M)
ANY_ROW = re.compile(r"^\s*X\(", re.M)
BLOCK = re.compile(r"(<!-- rows: .*? -->\n).*?(<!-- end of rows -->)", re.S)


def found(header):
    return ROW.findall(header.replace("\\\n", "\n"))


def rows(header):
    lines = ["| name | unit | kind | meaning |", "|---|---|---|---|"]
    for name, unit, kind, meaning in found(header):
        lines.append(f"| `{name}` | {unit} | {'count' if kind == 'COUNT' else 'gauge'} | {meaning} |")
    return "\n".join(lines) + "\n"


def check(tree):
    if TABLE not in tree or PAGE not in tree:
        return [f"{TABLE} or {PAGE} is missing"]
    header, block = tree[TABLE], BLOCK.search(tree[PAGE])
    complaints = []
    if len(ANY_ROW.findall(header)) != len(found(header)) or len(found(header)) < 20:
        complaints.append(f"{TABLE}: rows that this test cannot read")
    if not block:
        complaints.append(f"{PAGE}: no block of rows")
    elif block.group(0) != block.group(1) + rows(header) + block.group(2):
        complaints.append(f"{PAGE} is stale; run python3 {__doc__.split('python3 ')[1].strip()}")
    return complaints


def planted(tree):
    page, header = tree.get(PAGE, ""), tree.get(TABLE, "")
    return {
        "a statistic that the page lacks": dict(
            tree, **{TABLE: header + '    X(planted, "calls", COUNT, "planted")\n'}),
        "a unit that differs": dict(tree, **{PAGE: page.replace("| bytes |", "| pages |", 1)}),
        "a row that cannot be read": dict(tree, **{TABLE: header + "    X(planted, 3)\n"}),
    }


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: check_statistics.py --write")
    root = pathlib.Path(__file__).resolve().parents[2]
    page = root / PAGE
    table = rows((root / TABLE).read_text(encoding="utf-8"))
    page.write_text(BLOCK.sub(lambda m: m.group(1) + table + m.group(2),
                              page.read_text(encoding="utf-8")), encoding="utf-8")
