"""Every header compiles alone: the public ones as C99, C11, C++11 and C++17, without warnings."""

import os
import pathlib
import shlex
import subprocess
import tempfile

from tree import c_files

PUBLIC = [("CC", "c", "c99"), ("CC", "c", "gnu11"), ("CXX", "c++", "c++11"), ("CXX", "c++", "c++17")]
OURS = [("CC", "c", "gnu11")]


def compilers():
    return {"CC": shlex.split(os.environ.get("CC") or "cc"),
            "CXX": shlex.split(os.environ.get("CXX") or "c++")}


def check(tree):
    complaints, public, known = [], 0, compilers()
    with tempfile.TemporaryDirectory() as top:
        headers = {p: t for p, t in c_files(tree, "src", "include").items() if p.endswith(".h")}
        for path, text in headers.items():
            pathlib.Path(top, path).parent.mkdir(parents=True, exist_ok=True)
            pathlib.Path(top, path).write_text(text, encoding="utf-8")
        for path in sorted(headers):
            is_public = path.startswith("include/")
            public += is_public
            for which, language, standard in PUBLIC if is_public else OURS:
                # Twice: a header without a guard fails.
                source = f'#include "{path}"\n#include "{path}"\nextern int here;\n'
                run = subprocess.run(
                    [*known[which], "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter",
                     f"-std={standard}", "-D_GNU_SOURCE", "-DHAK_LARGE_MMAP=1", "-Iinclude",
                     *([] if is_public else ["-Isrc"]), "-I.", "-x", language, "-"],
                    input=source, text=True, cwd=top, stderr=subprocess.PIPE)
                if run.returncode:
                    complaints.append(f"{path} as {standard}:\n{run.stderr}")
    if public < 2:
        complaints.append("fewer than two public headers: nothing was checked")
    return complaints


def planted(tree):
    public = {p: t for p, t in tree.items() if p.startswith("include/")}
    return {
        "a header that needs another": dict(public, **{"include/hakmem/p.h": "size_t planted(void);\n"}),
        "a header without a guard": dict(public, **{"include/hakmem/p.h": "struct p { int x; };\n"}),
        "a header that is no C++": dict(
            public, **{"include/hakmem/p.h": "#ifndef P\n#define P\nint planted(int class);\n#endif\n"}),
        "no public header": {},
    }
