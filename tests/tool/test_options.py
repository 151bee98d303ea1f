#!/usr/bin/env python3
"""docs/options.md is what `hakmem options --markdown` prints, and there are at most 25 options."""

import re

from tool import TOP, Tap, expect, hakmem

MOST = 25
tap = Tap()
page = hakmem("options", "--markdown")
plain = hakmem("options")
written = TOP / "docs/options.md"
rows = re.findall(r"^\| `(\w+)` \|", page.out, re.M)
table = re.findall(r"^ *(?:NUMBER|CHOICE|TEXT)\([\s\\]*\w+, \"(\w+)\"", (TOP / "src/config/options.h").read_text(), re.M)

stale = "" if written.is_file() and written.read_text() == page.out else \
    "run: build/tools/hakmem options --markdown > docs/options.md"
tap.case("docs/options.md is not stale", [stale] if stale else [])
tap.case("every row of the table is there", [] if rows == table and len(rows) > 5 else [rows, table])
tap.case(f"at most {MOST} options", [] if len(rows) <= MOST else [f"{len(rows)}: {rows}"])
tap.case("each once", [name for name in rows if rows.count(name) > 1])
tap.case("for people, too", expect(plain, 0, err="", out_has=[f"\n{name} " for name in table]))
tap.case("every row is whole", [line for line in page.out.splitlines()
                                if line.startswith("| `") and not re.fullmatch(r"\|( [^|]+ \|){5}", line)])
tap.end()
