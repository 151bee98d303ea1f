"""Every C program under tests/SUITE is named in that suite's meson.build: what is not built tests nothing."""

import posixpath
import re

MAIN = re.compile(r"^int main\(", re.M)


def check(tree):
    complaints, tests = [], 0
    for path, text in sorted(tree.items()):
        parts = path.split("/")
        if parts[0] != "tests" or len(parts) < 3 or not path.endswith((".c", ".cc")) or not MAIN.search(text):
            continue
        tests += 1
        listed = tree.get(f"tests/{parts[1]}/meson.build", "")
        if posixpath.basename(path) not in listed and f"'{posixpath.splitext(parts[-1])[0]}'" not in listed:
            complaints.append(f"{path}: not in tests/{parts[1]}/meson.build")
    if tests == 0:
        complaints.append("no test found: nothing was checked")
    return complaints


def planted(tree):
    return {
        "a test that is not listed": dict(tree, **{"tests/unit/test_planted_here.c": "int main(void)\n"}),
        "no tests": {},
    }
