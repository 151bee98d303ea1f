"""Every #include of ours keeps to the layer table in src/README.md."""

import posixpath
import re

ROW = re.compile(r"^\| *([a-z_/]+) *\| *([^|]*?) *\|$", re.M)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.M)


def table(readme):
    """{layer: layers it may include}; the header row has no layer's name in its first cell."""
    rows = {}
    for layer, allowed in ROW.findall(readme):
        if layer in ("layer", "---"):
            continue
        words = set() if allowed == "nothing of ours" else set(re.split(r"[, ]+", allowed))
        rows[layer] = words - {""}
    return rows


def layer_of(path):
    """src/os/os.c: os; tools/run.c: tools; include/hakmem/hakmem.h: include/hakmem."""
    parts = path.split("/")
    if parts[0] == "src":
        return parts[1]
    if parts[0] == "include":
        return "include/hakmem"
    return parts[0]


def included(path, name, tree):
    """The file that `name` means in `path`, as the compiler would look for it; None: none of ours."""
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
    for candidate in (beside, "src/" + name, "include/" + name):
        if candidate in tree:
            return candidate
    return None


def check(tree):
    readme = tree.get("src/README.md", "")
    rows, complaints = table(readme), []
    if len(rows) < 10:
        return [f"src/README.md: {len(rows)} rows in the layer table, expected at least 10"]
    for path, text in sorted(tree.items()):
        if not path.endswith((".c", ".h")) or path.split("/")[0] not in ("src", "tools", "bench"):
            continue
        layer = layer_of(path)
        if layer not in rows:
            complaints.append(f"{path}: layer {layer} is not in the table of src/README.md")
            continue
        for name in INCLUDE.findall(text):
            target = included(path, name, tree)
            # Generated headers stand beside their input.
            other = layer_of(target) if target else (name.split("/")[0] if "/" in name else layer)
            if other != layer and other not in rows[layer]:
                complaints.append(f'{path}: {layer} may not include {other} ("{name}")')
    return complaints


def planted(tree):
    """name -> a tree with that violation"""
    return {
        "elo includes os": dict(tree, **{"src/elo/planted.c": '#include "os/os.h"\n'}),
        "cache includes os": dict(tree, **{"src/cache/planted.h": '  #  include "os/os.h"\n'}),
        "tools include alloc": dict(tree, **{"tools/planted.c": '#include "../src/alloc/alloc.h"\n',
                                             "src/alloc/alloc.h": ""}),
        "a layer without a row": dict(tree, **{"src/planted/x.c": "int x;\n"}),
        "no table": dict(tree, **{"src/README.md": "# nothing\n"}),
    }
