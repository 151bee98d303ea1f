"""The project's text files as {path: text}: the files git knows, or every file where there is no git."""

import pathlib
import subprocess

SUFFIXES = {".c", ".h", ".cc", ".cpp", ".py", ".md", ".json", ".build", ".txt", ".sh", ""}


def paths(root):
    try:
        out = subprocess.run(["git", "-C", root, "ls-files", "-z"], check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        return [p for p in out.decode().split("\0") if p]
    except (OSError, subprocess.CalledProcessError):
        found = (p.relative_to(root) for p in pathlib.Path(root).rglob("*") if p.is_file())
        return [str(p) for p in found if p.parts[0] != ".git" and not p.parts[0].startswith("build")]


def read(root):
    files = {}
    for path in paths(root):
        full = pathlib.Path(root, path)
        if full.suffix not in SUFFIXES and not full.name.startswith("."):
            continue
        try:
            files[path] = full.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
    return files


def c_files(tree, *tops):
    """The C and C++ files and headers under these directories, all without."""
    return {p: t for p, t in tree.items()
            if p.endswith((".c", ".h", ".cc", ".cpp")) and (not tops or p.split("/")[0] in tops)}
