"""Runs programs plain and under hakmem, with nothing in the environment but what a test asks for."""

import json
import os
import pathlib
import re
import resource
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[1]
MIB = 1 << 20

ARMS = [f"{backing}/{pages}/{fill}/{retain}"
        for backing in ("heap", "mmap") for pages in ("base", "huge")
        for fill in ("touch", "prefault") for retain in ("keep", "lazy", "drop")]
MMAP_ARMS = ARMS[12:]


class Ended:
    """How a run ended: status as subprocess has it (negative: a signal; None: it hung), and what it said."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def differs(self, other):
        """What differs from another run, as complaints."""
        found = []
        if self.status != other.status:
            found.append(f"status {self.status}, plain {other.status}")
        if self.out != other.out:
            found.append(f"printed {shorten(self.out)}\nplain   {shorten(other.out)}")
        if self.err != other.err:
            found.append(f"stderr {shorten(self.err)}\nplain  {shorten(other.err)}")
        return found


def shorten(text):
    shown = repr(text)
    return shown if len(shown) < 1200 else f"{shown[:600]} ... {shown[-500:]}"


def environment(library=None, **more):
    """Ours without a trace of hakmem, then with the library preloaded and `more`."""
    clean = {k: v for k, v in os.environ.items()
             if not k.startswith(("HAKMEM_", "HAKO_", "LD_PRELOAD", "MALLOC_", "TEST_EXPECT"))}
    clean["LC_ALL"] = "C"
    if library:
        # A program may change its directory before it starts another.
        clean["LD_PRELOAD"] = os.path.abspath(library)
        clean["TEST_EXPECT_HAKMEM"] = "1"
    clean.update({k: str(v) for k, v in more.items()})
    return clean


def run(command, library=None, env=None, limit=None, timeout=60, cwd=None, stdin=None):
    """limit: (resource.RLIMIT_..., bytes) for the program. It is killed, with what it started, at the timeout."""
    def before():
        if limit:
            resource.setrlimit(limit[0], (limit[1], limit[1]))

    process = subprocess.Popen([str(c) for c in command], env=environment(library, **(env or {})), cwd=cwd,
                               stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=before, start_new_session=True)
    try:
        out, err = process.communicate(stdin, timeout=timeout)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        out, err = process.communicate()
        status = None
    return Ended(status, out.decode(errors="replace"), err.decode(errors="replace"))


def statistics_of(path):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def statistic_names():
    """The rows of the statistics table, in order."""
    table = (TOP / "include/hakmem/stats_table.h").read_text(encoding="utf-8")
    return re.findall(r"^ *X\((\w+),", table, re.M)


def one_line_of_ours(err):
    """Complaints unless `err` is one line that begins with our name."""
    lines = err.splitlines()
    if len(lines) != 1 or not lines[0].startswith("hakmem: "):
        return [f"expected one line of hakmem's on stderr, got {shorten(err)}"]
    return []
