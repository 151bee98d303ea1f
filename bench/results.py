#!/usr/bin/env python3
"""results.py [--runs N] [--learn N] [--with LIST] [--peer NAME=FILE]... [SCENARIO...]: the scenarios of docs/results.md.

Learns each scenario of hakmem-bench from nothing, then compares it (`hakmem compare`): system malloc, other allocators, hakmem at
its defaults and with what it learned. A row gives CPU ms / average resident MiB of each, and what learned hakmem is to the fastest and to
the leanest of the others; = where the ranges of the two overlap. Run it from the build directory's parent, with
nothing else running; it takes about N * 20 s a scenario with seven others.
"""

import os
import tempfile

from table import Table, parser_of, summaries

SCENARIOS = ["seven", "buffers", "vector", "topic", "bodies", "tiles", "doubling", "poly", "pauses", "sparse", "relay",
             "thin", "sites", "wrapped", "apart"]


def main():
    parser = parser_of(__doc__)
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS)
    options = parser.parse_args()
    table = Table("scenario", "average_mib")
    with tempfile.TemporaryDirectory() as directory:
        for scenario in options.scenarios:
            command = [f"{os.path.realpath(options.build)}/bench/hakmem-bench", scenario]
            table.put(f"`{scenario}`", summaries(options, command, os.path.join(directory, scenario + ".json")))


main()
