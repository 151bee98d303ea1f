"""What the tests of the command share: running it, and complaints."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
sys.dont_write_bytecode = True

from tap import Tap  # noqa: E402

TOOL = os.environ["HAK_TOOL"]
DOUBLE = os.environ.get("HAK_DOUBLE", "")
PROGRAM = os.environ.get("HAK_PROGRAM", "")
STATIC = os.environ.get("HAK_STATIC", "")
STATIC_PIE = os.environ.get("HAK_STATIC_PIE", "")
BENCH = os.environ.get("HAK_BENCH", "")
MAKE_POLICY = os.environ.get("HAK_MAKE_POLICY", "")

COMMANDS = ["run", "learn", "inspect", "check", "merge", "compare", "options"]


def environment(**more):
    """Ours without what would change the tool's ways; `more` on top."""
    clean = {k: v for k, v in os.environ.items()
             if not k.startswith(("HAKMEM_", "HAKO_", "DOUBLE_", "LD_PRELOAD", "MALLOC_"))}
    clean.update({"LC_ALL": "C", "HAKMEM_LIBRARY": DOUBLE})
    clean.update({k: str(v) for k, v in more.items()})
    return {k: v for k, v in clean.items() if v != ""}


class Ended:
    def __init__(self, process, out, err):
        self.status, self.out, self.err = process.returncode, out, err

    def __str__(self):
        return f"status {self.status}\nstdout: {self.out}\nstderr: {self.err}"


def hakmem(*words, stdin=subprocess.DEVNULL, cwd=None, timeout=60, before=None, **env):
    """Runs the tool; `env` is set in its environment, a file or text is its standard input."""
    text = stdin if isinstance(stdin, str) else None
    process = subprocess.Popen([TOOL, *map(str, words)], env=environment(**env), cwd=cwd, text=True, errors="replace",
                               stdin=subprocess.PIPE if text is not None else stdin,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=before)
    try:
        out, err = process.communicate(text, timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        err += "\nhung"
    return Ended(process, out, err)


def expect(ended, status=None, out=None, err=None, out_has=(), err_has=(), err_lines=None):
    """Complaints where a run did not end as it should; `out` and `err` are the whole, the rest parts."""
    wrong = []
    if status is not None and ended.status != status:
        wrong.append(f"expected status {status}")
    if out is not None and ended.out != out:
        wrong.append(f"expected on stdout: {out!r}")
    if err is not None and ended.err != err:
        wrong.append(f"expected on stderr: {err!r}")
    wrong += [f"expected in stdout: {part}" for part in out_has if part not in ended.out]
    wrong += [f"expected in stderr: {part}" for part in err_has if part not in ended.err]
    if err_lines is not None and len(ended.err.splitlines()) != err_lines:
        wrong.append(f"expected {err_lines} lines on stderr")
    return [*wrong, str(ended)] if wrong else []


def make_policy(kind, path):
    subprocess.run([MAKE_POLICY, kind, str(path)], check=True)
    return path


def inspected(path, *words):
    return json.loads(hakmem("inspect", path, "--json", *words).out)


class Directory:
    """A temporary directory."""

    def __enter__(self):
        self.there = tempfile.TemporaryDirectory(prefix="hakmem-tool-")
        return pathlib.Path(self.there.name)

    def __exit__(self, *what):
        self.there.cleanup()


__all__ = ["BENCH", "COMMANDS", "DOUBLE", "Directory", "MAKE_POLICY", "PROGRAM", "STATIC", "STATIC_PIE", "TOOL",
           "TOP", "Tap", "environment", "expect", "hakmem", "inspected", "make_policy"]
