#!/usr/bin/env python3
"""test_rebuilt.py LIBRARY SOURCE: what was learned with one build of a program is played by the next, and moves to it."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from tap import Tap  # noqa: E402
from under import run, statistics_of  # noqa: E402

KNOWN = ["sites_by_id", "sites_by_symbol", "sites_by_call", "sites_not_known"]


def blocks_of(sites):
    """Measured or, of decided bands, passed over."""
    return sum(band["elo"]["episodes"] + band.get("unmeasured", 0) for site in sites for band in site["bands"])


def build(directory, source, number):
    """The same program's name in a directory of its own: what another build is in production."""
    where = directory / f"build{number}"
    where.mkdir()
    subprocess.run([*shlex.split(os.environ.get("CC") or "cc"), "-O1", f"-DBUILD={number}", "-Wl,--build-id=sha1",
                    source, "-o", str(where / "work")], check=True)
    return where / "work"


def main():
    library, source = sys.argv[1:3]
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="hakmem-rebuilt-") as name:
        directory = pathlib.Path(name)
        first, second = build(directory, source, 1), build(directory, source, 2)
        policy, statistics = directory / "work.json", directory / "statistics.json"

        def learn(program, times):
            for _ in range(times):
                run([program], library, env={"HAKMEM_MODE": "learn", "HAKMEM_POLICY": policy})
            return json.loads(policy.read_text(encoding="utf-8"))["sites"]

        def frozen(program, expected, err):
            statistics.unlink(missing_ok=True)
            ended = run([program], library, env={"HAKMEM_POLICY": policy, "HAKMEM_STATS": statistics})
            seen = [statistics_of(statistics)[key] for key in KNOWN]
            text = ended.err.decode() if isinstance(ended.err, bytes) else ended.err
            wrong = [] if seen == expected else [f"{dict(zip(KNOWN, seen))}, expected {expected}"]
            wrong += [] if re.fullmatch(err, text) else [f"stderr: {text}", f"expected: {err}"]
            return wrong + ([] if ended.status == 0 else [f"status {ended.status}"])

        sites = learn(first, 3)
        symbols = sorted(site["symbol"].partition("+")[0] for site in sites)
        tap.case("every call is a site, with its function",
                 [] if symbols == ["changed", "changed", "gone", "unchanged"] else [symbols])
        calls = {(site["symbol"].partition("+")[0], site.get("call")) for site in sites}
        tap.case("and with its number", [] if calls == {("changed", 0), ("changed", 1), ("gone", 0), ("unchanged", 0)}
                 else [calls])
        tap.case("the same build is known by its ids", frozen(first, [4, 0, 0, 0], ""))
        line = (rf"hakmem: {re.escape(str(policy))}: work was rebuilt since: matched 3 of its 4 sites, \d\d % of bytes; "
                r"1 by symbol, 2 by call\n")
        tap.case("the next build is known by its functions", frozen(second, [0, 1, 2, 1], line))

        plays = blocks_of(sites)
        before = {site["id"] for site in sites}
        sites = learn(second, 1)
        symbols = sorted(site["symbol"].partition("+")[0] for site in sites)
        tap.case("what is learned moves: the file has one site more",
                 [] if symbols == ["arrived", "changed", "changed", "gone", "unchanged"] else [symbols])
        kept = [site["symbol"] for site in sites if site["id"] in before]
        tap.case("what is gone stays as it was", [] if len(kept) == 1 and kept[0].startswith("gone+") else [kept])
        now = blocks_of(sites)
        tap.case("episodes of both builds add up", [] if plays + 100 < now <= plays + 160 else [plays, now])
        tap.case("the next build is known by its ids then", frozen(second, [4, 0, 0, 0], ""))
        tap.case("and the first by its functions", frozen(first, [1, 1, 2, 0], ""))
    tap.end()


if __name__ == "__main__":
    main()
