#!/usr/bin/env python3
"""hakmem merge takes its turn at the policy it replaces, so that what a process saves meanwhile is not lost."""

import ctypes
import fcntl
import os
import select
import shutil
import struct
import subprocess

from tool import TOOL, Directory, Tap, environment, inspected, make_policy

OPENED, CLOSED, RENAMED = 0x20, 0x8 | 0x10, 0x80  # inotify(7): IN_OPEN, IN_CLOSE, IN_MOVED_TO
WAIT_MS = 60000
tap = Tap()
libc = ctypes.CDLL(None, use_errno=True)


class Watched:
    """What happens to the files of a directory, in order: (what, name)."""

    def __init__(self, directory):
        self.fd = libc.inotify_init1(os.O_CLOEXEC)
        if libc.inotify_add_watch(self.fd, os.fsencode(directory), OPENED | CLOSED | RENAMED) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")
        self.seen = []

    def read(self):
        data, at = os.read(self.fd, 65536), 0
        while at < len(data):
            _, mask, _, length = struct.unpack_from("iIII", data, at)
            name = data[at + 16:at + 16 + length].rstrip(b"\0").decode()
            what = "opened" if mask & OPENED else "renamed to" if mask & RENAMED else "closed"
            self.seen.append((what, name))
            at += 16 + length

    def wait_for(self, event, process):
        """Until it was seen, or the process's standard output is at its end."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        poll.register(process.stdout, select.POLLHUP)
        while event not in self.seen:
            ready = dict(poll.poll(WAIT_MS))
            if self.fd not in ready:
                return False
            self.read()
        return True


def merge(*words):
    return subprocess.Popen([TOOL, "merge", *map(str, words)], env=environment(), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def order(seen, *events):
    """Complaints where the events did not come in that order."""
    places = [seen.index(e) if e in seen else None for e in events]
    return [] if None not in places and places == sorted(places) else [events, seen]


def someone_saves(there):
    """While another process has the turn, the merge begins; then that one saves, and gives the turn back."""
    both, new = make_policy("open", there / "A.json"), make_policy("learned", there / "new.json")
    added = make_policy("other", there / "B.json")
    shutil.copy(new, there / "saved")
    with open(there / "A.json.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        watched = Watched(there)
        process = merge(both, added, "-o", both)
        if not watched.wait_for(("opened", "A.json.lock"), process):
            return ["it did not wait for its turn", *process.communicate()]
        os.rename(there / "saved", both)
    out, err = process.communicate(timeout=60)
    watched.read()
    seen = watched.seen[watched.seen.index(("opened", "A.json.lock")):]
    expected = subprocess.run([TOOL, "merge", new, added, "-o", there / "expected.json"], env=environment(),
                              capture_output=True, check=False)
    if process.returncode != 0 or expected.returncode != 0:
        return [out, err, expected.stderr]
    same = {s["site"]: s["episodes"] for s in inspected(both)["sites"]} == \
        {s["site"]: s["episodes"] for s in inspected(there / "expected.json")["sites"]}
    return [] if same else ["what was saved meanwhile is lost", seen]


def whole_turn(there):
    """The turn is had before the first input is read, and until the output has been replaced."""
    a, b = make_policy("open", there / "A.json"), make_policy("other", there / "B.json")
    (there / "A.json.lock").touch()
    watched = Watched(there)
    process = merge(b, a, "-o", a)
    out, err = process.communicate(timeout=60)
    watched.read()
    return order(watched.seen, ("opened", "A.json.lock"), ("opened", "B.json"), ("renamed to", "A.json"),
                 ("closed", "A.json.lock")) + ([] if process.returncode == 0 else [out, err])


with Directory() as directory:
    tap.case("what is saved while merge waits is merged", someone_saves(directory))
with Directory() as directory:
    tap.case("the turn lasts from the first input to the output", whole_turn(directory))
tap.end()
