"""Shell scripts parse, stop at errors, and Python files compile."""

import subprocess

SHELL = ("#!/usr/bin/env bash", "#!/bin/bash", "#!/bin/sh", "#!/usr/bin/env sh")


def check(tree):
    complaints, scripts = [], 0
    for path, text in sorted(tree.items()):
        if text.startswith(SHELL):
            scripts += 1
            shell = subprocess.run(["bash", "-n"], input=text, text=True, stderr=subprocess.PIPE)
            if shell.returncode:
                complaints.append(f"{path}: {shell.stderr.strip()}")
            if "set -e" not in text and "set -u" not in text:
                complaints.append(f"{path}: goes on after an error (no set -e)")
        elif path.endswith(".py") or text.startswith("#!/usr/bin/env python3"):
            try:
                compile(text, path, "exec")
            except SyntaxError as error:
                complaints.append(f"{path}: {error}")
    if scripts == 0:
        complaints.append("no shell script found: nothing was checked")
    return complaints


def planted(tree):
    return {
        "a shell script that does not parse": dict(
            tree, **{"scripts/planted": "#!/usr/bin/env bash\nset -e\nif true; then\n"}),
        "a shell script that goes on": dict(tree, **{"scripts/planted": "#!/bin/bash\nfalse\n"}),
        "Python that does not parse": dict(tree, **{"tools/planted.py": "def f(:\n"}),
    }
