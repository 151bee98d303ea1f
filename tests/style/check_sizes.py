"""Files over 500 lines and functions over 60 want a reason: a row in tests/style/allowed.txt."""

import re

from tree import c_files

FILE_LINES, FUNCTION_LINES = 500, 60
ALLOWED = "tests/style/allowed.txt"
# With the brace of a function on its own line, a body runs from a line "{" to the next line "}".
NAME = re.compile(r"([A-Za-z_]\w*)\s*\(")


def functions(text):
    """(name, lines of the body) of each function"""
    lines, start, name = text.splitlines(), None, "?"
    for i, line in enumerate(lines):
        if line == "{" and i > 0:
            head = " ".join(lines[max(0, i - 4):i])
            named = NAME.findall(head.rpartition(";")[2].rpartition("}")[2])
            start, name = i, named[0] if named else "?"
        elif line == "}" and start is not None:
            yield name, i - start - 1
            start = None


def check(tree):
    allowed, used, complaints = set(), set(), []
    for number, line in enumerate(tree.get(ALLOWED, "").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        what, _, reason = line.partition(": ")
        if len(reason.split()) < 3:
            complaints.append(f"{ALLOWED}:{number}: no reason given")
        allowed.add(what)
    for path, text in sorted(c_files(tree).items()):
        found = [(path, len(text.splitlines()), FILE_LINES)]
        found += [(f"{path} {name}", n, FUNCTION_LINES) for name, n in functions(text)]
        for what, lines, most in found:
            if lines <= most:
                continue
            used.add(what)
            if what not in allowed:
                complaints.append(f"{what}: {lines} lines, over {most}")
    complaints += [f"{ALLOWED}: {what} is not too long any more" for what in sorted(allowed - used)]
    return complaints


def planted(tree):
    long_function = "static int planted(void)\n{\n" + "    x();\n" * 61 + "}\n"
    return {
        "a file of 501 lines": dict(tree, **{"src/base/planted.c": "\n" * 501}),
        "a function of 61 lines": dict(tree, **{"src/base/planted.c": long_function}),
        "an allowance nobody needs": dict(tree, **{ALLOWED: "src/none.c: it has a good reason\n"}),
        "an allowance without a reason": dict(
            tree, **{"src/p.c": "\n" * 501, ALLOWED: tree.get(ALLOWED, "") + "src/p.c: because\n"}),
    }
