"""Every relative link in the documentation leads to a file, and its anchor to a heading."""

import posixpath
import re

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*?) *#*$", re.M)
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
CODE = re.compile(r"`[^`\n]*`")


def anchors(text):
    """The anchors that a page has, as the usual renderers make them."""
    names = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        names.add(plain.replace(" ", "-"))
    return names


def check(tree):
    complaints, links = [], 0
    directories = {posixpath.dirname(p) for p in tree}
    directories |= {d.rsplit("/", n)[0] for d in directories for n in range(1, d.count("/") + 1)}
    for path, text in sorted(tree.items()):
        if not path.endswith(".md"):
            continue
        for link in LINK.findall(CODE.sub("", FENCE.sub("", text))):
            if re.match(r"[a-z]+:", link):
                continue
            links += 1
            target, _, anchor = link.partition("#")
            where = posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) if target else path
            if where not in tree and where not in directories:
                complaints.append(f"{path}: nothing at {link}")
            elif anchor and where.endswith(".md") and anchor not in anchors(tree[where]):
                complaints.append(f"{path}: no heading for {link}")
    if links == 0:
        complaints.append("no link in any page: nothing was checked")
    return complaints


def planted(tree):
    return {
        "a link to nothing": dict(tree, **{"docs/planted.md": "see [it](nothing.md)\n"}),
        "an anchor that is not there": dict(tree, **{"docs/planted.md": "# A\n[it](#b)\n"}),
        "pages without links": {"docs/planted.md": "# A\n"},
    }
