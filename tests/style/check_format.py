"""clang-format has nothing to change. Version 14 decides: others differ in small things."""

import collections
import pathlib
import re
import shutil
import subprocess
import tempfile

from tree import c_files

MAJOR = "14"


def formatter():
    """The command, or None where that version is not installed."""
    for command in (f"clang-format-{MAJOR}", "clang-format"):
        if shutil.which(command):
            version = subprocess.run([command, "--version"], stdout=subprocess.PIPE, text=True).stdout
            if re.search(rf"version {MAJOR}\.", version):
                return command
    return None


def skip():
    return None if formatter() else f"no clang-format {MAJOR}"


def check(tree):
    if skip():
        return []
    with tempfile.TemporaryDirectory() as top:
        names = []
        for path, text in c_files(tree).items():
            full = pathlib.Path(top, path)
            full.parent.mkdir(parents=True, exist_ok=True)
            full.write_text(text, encoding="utf-8")
            names.append(path)
        pathlib.Path(top, ".clang-format").write_text(tree[".clang-format"], encoding="utf-8")
        run = subprocess.run([formatter(), "--dry-run", "-Werror", "--style=file", *sorted(names)],
                             cwd=top, stderr=subprocess.PIPE, text=True)
    places = collections.Counter(line.split(":")[0] for line in run.stderr.splitlines()
                                 if ": error:" in line or ": warning:" in line)
    return [f"{path}: {n} places (scripts/format mends them)" for path, n in sorted(places.items())]


def planted(tree):
    style = {".clang-format": tree[".clang-format"]}
    return {
        "a brace in the wrong place": dict(style, **{"src/p.c": "int f(void) {\n    return 1;\n}\n"}),
        "an indent of two": dict(style, **{"src/p.c": "int f(void)\n{\n  return 1;\n}\n"}),
    }
