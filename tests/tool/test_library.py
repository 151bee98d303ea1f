#!/usr/bin/env python3
"""The command with the library itself: found beside the tool, in effect, learning, and playing what it learned."""

import os
import sys

from tool import BENCH, PROGRAM, Directory, Tap, expect, hakmem, inspected

LIBRARY = os.path.realpath(sys.argv[1])
LINKED = sys.argv[2]
tap = Tap()


def real(*words, **more):
    """Without HAKMEM_LIBRARY: the tool finds the library of its own build tree."""
    return hakmem(*words, **{"HAKMEM_LIBRARY": "", **more})


def huge_pages():
    """What the kernel gives them for: always, madvise or never."""
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="ascii") as choices:
            return choices.read().partition("[")[2].partition("]")[0]
    except OSError:
        return "never"


tap.case("it is found beside the tool", expect(real("run", "sh", "-c", "echo $LD_PRELOAD"), 0, f"{LIBRARY}\n", ""))
with Directory() as there:
    for mode in ("frozen", "learn", "off"):
        policy = ["--policy", there / "p.json"] if mode == "learn" else []
        tap.case(f"it is in effect, mode {mode}", expect(real("run", "--mode", mode, *policy, "--", PROGRAM, "exit", 7), 7, "", ""))
tap.case("it says that learning without a policy is for nothing",
         expect(real("run", "--mode", "learn", "--", BENCH, "vm", "--quick"), 0, err_lines=1,
                err_has=["hakmem: HAKMEM_MODE=learn: expected HAKMEM_POLICY"]))
tap.case("linked into a program it leaves all names but its own to that", [] if os.popen(LINKED).read() == "15 hakmem\n" else ["no"])
left = real("run", "sh", "-c", "echo ${HAKMEM_HANDSHAKE-unset}; ls /proc/self/fd | wc -l")
plain = len(os.popen("ls /proc/self/fd < /dev/null").read().split())
tap.case("the handshake leaves nothing behind", expect(left, 0, f"unset\n{plain}\n", ""))

with Directory() as there:
    policy = there / "vm.json"
    ended = real("learn", "--no-warm", "-o", policy, "--runs", 2, "--", BENCH, "vm")
    tap.case("it learns", expect(ended, 0, out_has=["allocator hakmem"], err_has=["hakmem learn: run 2: 1 site, "]))
    tap.case("the policy is valid", expect(hakmem("check", policy), 0, out_has=["valid, 1 site, 1 band"]))
    site = inspected(policy)["sites"][0]
    tap.case("the site has its name", [] if site["symbol"].startswith("vm_round+") and
             site["module"] == os.path.basename(BENCH) and site["size"] == "2-4 MiB" else [site])
    tap.case("every round was rated", [] if 190 <= site["episodes"] <= 202 else [site["episodes"]])
    tap.case("what was learned is kept", [] if len(list(there.iterdir())) <= 2 else [list(there.iterdir())])

    before = policy.read_bytes()
    ended = real("run", "--policy", policy, "--", BENCH, "vm", "--json")
    tap.case("it plays what it learned", expect(ended, 0, err="", out_has=['"hakmem']))
    tap.case("and learns nothing then", [] if policy.read_bytes() == before else ["the file was changed"])


def kinds_apart(policy):
    """Whether the three kinds of use of `wrapped` are told apart, and the one that is touched thinly has base pages.

    By how often each asks: 60 requests, 24 blocks of a burst and 2 indexes a round.
    """
    contexts = [site for site in inspected(policy)["sites"] if "context" in site]
    index = min(contexts, key=lambda site: site["episodes"], default={})
    return len({site["context"]["depth"] for site in contexts}) == 3 and \
        {site["symbol"].split("+")[0] for site in contexts} == {"wrapped_malloc"} and \
        (index.get("champion") or "").startswith(("mmap/base", "heap/base"))


with Directory() as there:
    policy = there / "wrapped.json"
    without = huge_pages() == "never" and "no huge pages: little to disagree on"
    for _ in range(4):  # the prices are this machine's, at this moment
        ended = real("learn", "--no-warm", "-o", policy, "--runs", 3, "--", BENCH, "wrapped")
        if ended.status != 0 or without or kinds_apart(policy):
            break
    tap.case("three kinds of use behind one function are told apart, and what is touched thinly gets base pages",
             expect(ended, 0) or ([] if without or kinds_apart(policy) else [inspected(policy)["sites"]]), skip=without)
tap.end()
