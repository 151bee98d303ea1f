"""hakmem compare: arguments, what it measures, draws and verdicts, and that a wrong allocator is found out.

A stand-in of known behaviour takes the library's place; the library itself is compared in the last case.
usage: test_compare.py HAKMEM HAKMEM_BENCH STAND_IN.so IMPOSTOR.so [LIBHAKMEM.so]
"""

import ctypes.util
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tap import Tap
from under import environment

hakmem, bench, stand_in, impostor = sys.argv[1:5]
library = sys.argv[5] if len(sys.argv) > 5 else None
directory = tempfile.TemporaryDirectory()
policy = os.path.join(directory.name, "policy.json")
stand_in_too = shutil.copy(stand_in, os.path.join(directory.name, "stand_in_too.so"))
pathlib.Path(policy).write_text('{"hakmem_policy": 1, "sites": []}')

KNOWN = ["mimalloc", "jemalloc", "tcmalloc_minimal"]
BAD_ARGUMENTS = [
    [], ["--runs", "0", "true"], ["--runs", "x", "true"], ["--arms", "mmap/huge", "true"], ["--arms", "", "true"],
    ["--arms", "mmap/huge/touch/keep,mmap/huge/touch/keep", "true"], ["--peer", "x", "true"], ["--peer"],
    ["--peer", "x=/nosuch/lib.so", "true"], ["--with", "nosuch", "true"], ["--with", "", "true"], ["--with"],
    ["--peer", "system malloc=" + stand_in, "true"],
    ["-n1", "--peer", "x=" + stand_in, "true"],
    ["-n", "1", "--peer", "x=/nosuch/lib.so", "true"],
    ["--policy", __file__, "true"],
    ["--warm-gib", "much", "true"], ["--warm-gib", "nan", "true"], ["--policy", "/nosuch", "true"], ["--nosuch", "true"],
]


def compare(*arguments, with_library=stand_in, under=(), **variables):
    env = environment(**variables, HAKMEM_LIBRARY=with_library, TMPDIR=directory.name)
    return subprocess.run([*under, hakmem, "compare", *arguments], env=env, capture_output=True, text=True, timeout=120)


def small(*arguments, runs="2", **more):
    return compare("--no-warm", "--runs", runs, "--arms", "none", *arguments, **more)


def objects(result, kind):
    return [o for o in map(json.loads, result.stdout.splitlines()) if o["kind"] == kind]


def bad_arguments():
    for arguments in BAD_ARGUMENTS:
        r = compare(*arguments)
        if r.returncode != 2:
            yield f"{arguments}: status {r.returncode}, expected 2"
        if len(r.stderr.splitlines()) != 1 or r.stdout:
            yield f"{arguments}: expected one line on stderr: {r.stdout}{r.stderr}"


def measures():
    r = small("--json", "--policy", policy, bench, "vm", "--quick", runs="3")
    if r.returncode != 0:
        return [r.stderr]
    complaints = []
    runs, summaries = objects(r, "run"), objects(r, "summary")
    names = [s["variant"] for s in summaries]
    if names != ["system malloc", "all heap", "default", "learned"]:
        complaints.append(f"variants: {names}")
    for s in summaries:
        own = [o for o in runs if o["variant"] == s["variant"]]
        if len(own) != 3:
            complaints.append(f"{s['variant']}: {len(own)} runs")
        for measure in ["latency_us", "wall_ms", "cpu_ms", "average_mib", "cost_ms", "peak_mib", "faults"]:
            values = [o[measure] for o in own]
            want = (round(statistics.median(values), 3), min(values), max(values))
            got = tuple(s[measure][n] for n in ("median", "min", "max"))
            if got != want or min(values) <= 0:
                complaints.append(f"{s['variant']} {measure}: expected {want}, got {got}")
            least = min(o[measure]["median"] for o in summaries)
            if abs(s[measure]["to_best"] - s[measure]["median"] / least) > 0.01 * s[measure]["to_best"] + 0.001:
                complaints.append(f"{s['variant']} {measure}: {s[measure]}, where the best is {least}")
        for o in own:
            cost = o["cpu_ms"] + 133 * o["average_mib"] / 1024 * o["wall_ms"] / 1000
            if abs(o["cost_ms"] - cost) > 0.002:
                complaints.append(f"{s['variant']}: cost {o['cost_ms']}, expected {cost}")
        statistics_of = (own[0]["cache_hit_percent"], own[0]["batch_flushes"])
        if statistics_of != ((None, None) if s["variant"] == "system malloc" else (95, 2)):
            complaints.append(f"{s['variant']}: statistics {statistics_of}")
    return complaints


def verdict(want, *reasons, policy_given=True, **variables):
    r = small("--json", *(["--policy", policy] if policy_given else []), bench, "vm", "--quick", **variables)
    found = objects(r, "verdict")
    if r.returncode != 0 or len(found) != (1 if want else 0):
        return [f"status {r.returncode}: {r.stdout}{r.stderr}"]
    if want and (found[0]["verdict"] != want or any(reason not in found[0]["reason"] for reason in reasons)):
        return [f"expected {want} because of {reasons}: {found[0]}"]
    return []


def fails_with_policy():
    r = small("--json", "--policy", policy, "sh", "-c", 'test -z "$HAKMEM_POLICY"')
    found = objects(r, "verdict")
    if r.returncode != 1 or len(found) != 1 or found[0]["verdict"] != "roll back" or "status 1" not in found[0]["reason"]:
        return [f"status {r.returncode}: {r.stdout}{r.stderr}"]
    return []


def verdict_by_cost(want, sign, **variables):
    """The latency is better than system malloc's; what is burned before the work counts for the cost only."""
    r = small("--json", "--policy", policy, bench, "vm", "--quick", HAK_TEST_GOOD="1", **variables)
    found = objects(r, "verdict")
    if r.returncode != 0 or len(found) != 1:
        return [f"status {r.returncode}: {r.stdout}{r.stderr}"]
    cost = re.search(r"CPU time and priced memory ([\d.]+)x of the default's(?!, a draw)", found[0]["reason"])
    if found[0]["verdict"] != want or cost is None or (float(cost.group(1)) - 1) * sign <= 0:
        return [f"expected {want} by the cost: {found[0]}"]
    return []


def draws():
    r = small("--json", bench, "vm", "--quick", HAK_TEST_GOOD="1")
    for s in objects(r, "summary"):
        for measure in ["latency_us", "faults"]:
            a, b = s[measure], objects(r, "summary")[0][measure]
            overlap = a["min"] <= b["max"] and b["min"] <= a["max"]
            if a["draw"] != overlap:
                yield f"{s['variant']} {measure}: draw is {a['draw']}: {a} against {b}"
    if objects(r, "summary")[1]["faults"]["draw"]:
        yield f"a resident buffer against fresh pages is no draw: {r.stdout}"


def wrong_library(*arguments, **more):
    r = small(*arguments, **more)
    if r.returncode != 1:
        yield f"status {r.returncode}, expected 1: {r.stdout}{r.stderr}"
    if not any(text in r.stderr for text in ("is not the allocator of the process", "is not in the process")):
        yield f"no line says so: {r.stderr}"


def failing():
    r = small("sh", "-c", "echo first; echo the reason >&2; exit 3")
    if r.returncode != 1 or "status 3: the reason" not in r.stderr:
        yield f"status {r.returncode}: {r.stderr}"
    r = small("sh", "-c", "kill -SEGV $$")
    if r.returncode != 1 or "status 139" not in r.stderr:
        yield f"status {r.returncode}: {r.stderr}"
    r = small("/nosuch/program")
    if r.returncode != 127 or "No such file" not in r.stderr:
        yield f"status {r.returncode}: {r.stderr}"
    r = small(directory.name)
    if r.returncode != 126:
        yield f"status {r.returncode}: {r.stderr}"


def other_program():
    """Resident memory over time: 64 MiB for 0.3 s of the program's life."""
    script = "import time; time.sleep(.3); b = bytearray(64 << 20); time.sleep(.3)"
    r = small("--json", sys.executable, "-c", script, runs="1")
    if r.returncode != 0:
        return [r.stderr]
    o = objects(r, "run")[0]
    complaints = []
    if not 600 < o["wall_ms"] or not 0 < o["cpu_ms"] < o["wall_ms"]:
        complaints.append(f"times: {o}")
    if not 64 < o["peak_mib"] < 200 or not 150 / o["wall_ms"] < (o["average_mib"] / o["peak_mib"]) < 0.95:
        complaints.append(f"memory: {o}")
    return complaints


def the_24_arms():
    r = compare("--no-warm", "--runs", "1", "--arms", "all", "--json", bench, "json", "--quick")
    summaries = objects(r, "summary")
    arms = [s for s in summaries if s["variant"].count("/") == 3]
    pooled = [s["variant"] for s in arms if s.get("note", "").startswith("= heap/")]
    prefaulted = [s["variant"] for s in arms if s["variant"].startswith("heap/") and "/prefault/" in s["variant"]]
    if r.returncode != 0 or len(arms) != 24 or len(prefaulted) != 6 or not set(prefaulted) <= set(pooled):
        yield f"status {r.returncode}, {len(arms)} arms, {len(pooled)} pooled: {r.stderr}"


def rotation():
    """The order of runs, from a program that writes down under which mode it is run; the first counts for none."""
    order = os.path.join(directory.name, "order")
    pathlib.Path(order).write_text("")
    small("--policy", policy, "sh", "-c", f'echo "${{HAKMEM_MODE:-system}}${{HAKMEM_POLICY:+ed}}" >>"{order}"',
          runs="3")
    got = pathlib.Path(order).read_text().split()
    variants = ["system", "off", "frozen", "frozened"]
    want = ["system"] + [variants[(run + i) % 4] for run in range(3) for i in range(4)]
    if got != want:
        yield f"expected {want}, got {got}"


def untraced():
    """Under strace the kernel lets nobody else trace: the allocator has to be seen while the program runs."""
    r = small("--json", "--policy", policy, "sleep", "0.5", under=["strace", "-f", "-o", "/dev/null"])
    if r.returncode != 0 or len(objects(r, "run")) != 8:
        yield f"status {r.returncode}: {r.stdout}{r.stderr}"
    r = small("--peer", "other=libnosuch.so", "sleep", "0.1", under=["strace", "-f", "-o", "/dev/null"])
    if r.returncode != 1 or "other: libnosuch.so is not in the process" not in r.stderr:
        yield f"status {r.returncode}: {r.stderr}"
    r = small("/nosuch/program", under=["strace", "-f", "-o", "/dev/null"])
    if r.returncode != 127 or "No such file" not in r.stderr:
        yield f"status {r.returncode}: {r.stderr}"


def installed():
    """Every allocator that the loader finds by its name is run, as itself."""
    r = small("--json", "--with", "installed", bench, "json", "--quick", runs="1")
    summaries = {s["variant"]: s for s in objects(r, "summary")}
    if r.returncode != 0:
        yield f"status {r.returncode}: {r.stderr}"
    for name in known:
        s = summaries.get(name.split("_")[0])
        if s is None or f"lib{name}" not in s["library"] or "failure" in s:
            yield f"{name}: {s}"
    for name in summaries.keys() - {"system malloc", "all heap", "default"}:
        r = small("--json", "--with", name, bench, "json", "--quick", runs="1")
        if [s["library"] for s in objects(r, "summary") if s["variant"] == name] != [summaries[name]["library"]]:
            yield f"--with {name}: {r.stdout}{r.stderr}"
        r = small("--with", f"{name},{name}", "true")
        if r.returncode != 2 or "is there twice" not in r.stderr:
            yield f"{name} twice: status {r.returncode}: {r.stderr}"


def peers():
    """A peer is taken wherever it stands before the program, and what follows the program is the program's."""
    one, other = f"one={stand_in}", os.path.join(directory.name, "other.so")
    shutil.copy(stand_in, other)
    for words in (["-n", "1", "--peer", one, "-a", "none", f"--peer=other={other}"], ["-n", "1", "-p", policy,
                  "--peer", one, "-a", "none", "--peer", f"other={other}"]):
        r = compare("--no-warm", "--json", *words, bench, "json", "--quick", with_library=stand_in_too)
        names = {s["variant"] for s in objects(r, "summary")}
        if r.returncode != 0 or not {"one", "other"} <= names:
            yield f"{words}: status {r.returncode}, {names}: {r.stderr}"
    r = compare("--no-warm", "--json", "-n", "1", "-a", "none", "sh", "-c", '[ "$*" = "--peer x" ]', "sh", "--peer", "x")
    if r.returncode != 0:
        yield f"the program's own --peer: {r.stderr}"


def leftovers():
    left = [name for name in os.listdir(directory.name) if name.startswith("hakmem-compare")]
    if left:
        yield f"left behind: {left}"


def real_library():
    r = small("--json", "--arms", "mmap/huge/touch/keep", bench, "vm", "--quick", with_library=library)
    runs = [o for o in objects(r, "run") if o["variant"] == "mmap/huge/touch/keep"]
    if r.returncode != 0 or len(runs) != 2:
        return [f"status {r.returncode}: {r.stdout}{r.stderr}"]
    return [f"no statistics: {o}" for o in runs if o["batch_flushes"] is None]


tap = Tap()
tap.case("bad arguments are one line on stderr and status 2", bad_arguments())
tap.case("medians and ranges are those of the runs, statistics those of the library", measures())
tap.case("it fails with the policy, from its first run on: roll back", fails_with_policy())
tap.case("no policy, no verdict", verdict(None, policy_given=False))
tap.case("over 500 faults of vm: roll back", verdict("roll back", "page faults a run, of at most 500"))
tap.case("faster and few faults, and cheaper than the defaults: keep", verdict_by_cost("keep", -1, HAK_TEST_WASTE="default"))
tap.case("as fast, and dearer than the defaults: roll back", verdict_by_cost("roll back", 1, HAK_TEST_WASTE="learned"))
tap.case("a draw is where the intervals overlap", draws())
tap.case("a library that leaves malloc alone is found out", wrong_library(bench, "json", "--quick", with_library=impostor))
tap.case("a peer that leaves malloc alone is found out",
         wrong_library("--peer", f"other={impostor}", bench, "json", "--quick"))
tap.case("a peer the loader does not find is found out", wrong_library("--peer", "other=libnosuch.so", "true"))
tap.case("programs that fail or are not there", failing())
tap.case("memory and time of a program that is not hakmem-bench", other_program())
tap.case("all 24 arms, the pooled ones said to be so", the_24_arms())
tap.case("runs are interleaved and rotated", rotation())
skip = None if shutil.which("strace") else "no strace here"
tap.case("where tracing is not allowed", [] if skip else untraced(), skip=skip)
known = [name for name in KNOWN if ctypes.util.find_library(name)]
tap.case("allocators by name", installed() if known else [], skip=None if known else f"none of {KNOWN} here")
tap.case("peers beside options by a letter", peers())
tap.case("nothing is left behind", leftovers())
tap.case("the library itself", real_library() if library else [], skip=None if library else "libhakmem.so is not built")
tap.end()
