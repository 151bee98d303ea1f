#!/usr/bin/env python3
"""Every command helps, and says in one line what is wrong with its arguments."""

import re

from tool import COMMANDS, TOP, Tap, expect, hakmem

USAGE = 2
tap = Tap()

listed = hakmem("--help")
tap.case("help lists the commands", expect(listed, 0, err="", out_has=[f"\n  {c} " for c in COMMANDS]))
tap.case("no command at all", expect(hakmem(), USAGE, out="", err_has=["usage: hakmem COMMAND"]))
tap.case("an unknown command", expect(hakmem("inspct"), USAGE, out="", err_lines=1, err_has=["inspct", "inspect"]))

version = re.search(r'HAKMEM_VERSION "(.*)"', (TOP / "include/hakmem/hakmem.h").read_text()).group(1)
tap.case("the version is the header's", expect(hakmem("--version"), 0, out=f"hakmem {version}\n"))

for command in COMMANDS:
    tap.case(f"{command} --help", expect(hakmem(command, "--help"), 0, err="",
                                         out_has=[f"usage: hakmem {command}"]))
    tap.case(f"{command} --nonsense", expect(hakmem(command, "--nonsense"), USAGE, out="", err_lines=1,
                                             err_has=[f"hakmem {command}: --nonsense"]))

tap.case("help COMMAND is COMMAND --help", expect(hakmem("help", "run"), 0, out=hakmem("run", "--help").out))
tap.case("help of an unknown command", expect(hakmem("help", "nothing"), USAGE, err_lines=1))

WRONG = [
    # what is wrong, words, what the line says
    ("nothing to run", ["run"], "a program to run"),
    ("an unknown mode", ["run", "--mode", "fast", "--", "true"], "frozen|learn|off, got 'fast'"),
    ("an option without its value", ["run", "--policy"], "expected FILE after it"),
    ("an empty value", ["run", "--policy=", "true"], "expected FILE after it"),
    ("no output", ["learn", "--", "true"], "-o FILE"),
    ("nothing to learn from", ["learn", "-o", "x"], "a program to run"),
    ("no runs", ["learn", "-o", "x", "--runs", "0", "true"], "from 1 to 10000, got '0'"),
    ("runs below nothing", ["learn", "-o", "x", "--runs", "-1", "true"], "got '-1'"),
    ("runs with a unit", ["learn", "-o", "x", "--runs", "3s", "true"], "got '3s'"),
    ("one run too many", ["learn", "-o", "x", "--runs", "10001", "true"], "from 1 to 10000, got '10001'"),
    ("too many runs", ["learn", "-o", "x", "--runs", "99999999999999999999", "true"], "from 1 to 10000"),
    ("an unknown goal", ["learn", "-o", "x", "--goal=cheap", "true"], "speed|balanced|memory, got 'cheap'"),
    ("a flag with a value", ["inspect", "--json=yes", "x"], "takes no value, got 'yes'"),
    ("no file to inspect", ["inspect"], "one policy file, got 0"),
    ("two files to check", ["check", "a", "b"], "one policy file, got 2"),
    ("nothing to merge", ["merge", "-o", "x"], "the policy files to merge"),
    ("merged to nowhere", ["merge", "a", "b"], "-o FILE"),
    ("operands of options", ["options", "all"], "no operands, got 'all'"),
]
for what, words, text in WRONG:
    tap.case(what, expect(hakmem(*words), USAGE, out="", err_lines=1, err_has=[f"hakmem {words[0]}: ", text]))

full = hakmem("options", before=lambda: __import__("os").dup2(__import__("os").open("/dev/full", 1), 1))
tap.case("output that cannot be written", expect(full, 125, err_has=["write error"]))
tap.end()
