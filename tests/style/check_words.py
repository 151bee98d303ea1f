"""Text files: no paths of one machine, no tabs or trailing blanks, a newline at the end, nothing unfinished."""

import re

from tree import c_files

# A path that exists on one machine only is of no use to a reader on another.
MACHINE_PATH = re.compile(r"(?<![\w.<$}])/(?:work|root|home)/\w|(?<![\w.<$}])/tmp/brief")
# Files that must say such words, to look for them.
ABOUT_THEM = {"tests/style/check_words.py"}


def check(tree):
    complaints = []
    for path, text in sorted(tree.items()):
        if path in ABOUT_THEM or path == "LICENSE":
            continue
        if text and not text.endswith("\n"):
            complaints.append(f"{path}: no newline at the end")
        for number, line in enumerate(text.split("\n"), 1):
            where = f"{path}:{number}"
            if MACHINE_PATH.search(line):
                complaints.append(f"{where}: a path of one machine: {line.strip()[:80]}")
            if line != line.rstrip() and not path.endswith(".md"):
                complaints.append(f"{where}: blanks at the end of the line")
            if "\t" in line:
                complaints.append(f"{where}: a tab")
    for path, text in sorted(c_files(tree).items()):
        for number, line in enumerate(text.split("\n"), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                complaints.append(f"{path}:{number}: an unfinished thing: {line.strip()[:80]}")
    return complaints


def planted(tree):
    return {
        "a path of one machine": dict(tree, **{"docs/planted.md": "see /home/someone/notes\n"}),
        "blanks at the end of a line": dict(tree, **{"src/base/planted.c": "int x; \n"}),
        "a tab": dict(tree, **{"src/base/planted.c": "\tint x;\n"}),
        "no newline at the end": dict(tree, **{"src/base/planted.c": "int x;"}),
        "something unfinished": dict(tree, **{"src/base/planted.c": "/* TODO: all of it */\n"}),
    }
