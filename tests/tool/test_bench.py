"""hakmem-bench: its arguments, its JSON, each scenario in small, its call sites, and whom it names as the allocator.

usage: test_bench.py HAKMEM_BENCH HAKMEM_WARM SIZES.so IMPOSTOR.so
"""

import ctypes.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tap import Tap
from under import environment

SMALL = ["stack", "slots", "trees", "strings", "handover", "slots2"]
REPORTED = ["seven", "buffers", "vector", "topic", "bodies", "tiles", "doubling", "poly", "pauses", "sparse", "relay",
            "thin"]
SCENARIOS = ["json", "mir", "vm", "mixed", "sites", "burst", "grow", "maps", "sleepy", *SMALL, *REPORTED, "wrapped", "apart"]
# scenario -> the call sites of its blocks of 64 KiB and more
SITES = {"json": 1, "mir": 1, "vm": 1, "mixed": 4, "sites": 5, "burst": 1, "grow": 1, "maps": 1, "sleepy": 1,
         **{name: 0 for name in SMALL}, **{name: 1 for name in REPORTED}, "seven": 2, "wrapped": 1, "apart": 3}
NUMBERS = ["run", "runs", "seed", "rounds", "latency_mean_ns", "latency_median_ns", "latency_p99_ns", "latency_max_ns",
           "work_ms", "wall_ms", "cpu_ms", "user_ms", "system_ms", "minor_faults", "major_faults",
           "resident_average_mib", "resident_peak_mib"]
OWN = {  # what only one scenario tells
    "burst": ["shootdowns_per_burst_median", "shootdowns_per_burst_most"],
    "grow": ["moves"],
    "maps": ["mappings_before", "mappings_most", "mappings_after"],
    "sleepy": ["resident_in_use_mib", "resident_over_time"],
    "sites": ["phases"],
    "seven": ["phases"],
    **{name: ["ns_per_op", "resident_start_mib", "resident_settled_mib"] for name in SMALL},
}
BAD_ARGUMENTS = [
    [], ["nosuch"], ["vm", "json"], ["vm", "--runs"], ["vm", "--runs", "0"], ["vm", "--runs", "-1"],
    ["vm", "--runs", "1001"], ["vm", "--runs", "3x"], ["vm", "--runs", ""], ["vm", "--seed", "18446744073709551616"],
    ["vm", "--nosuch"], ["--runs", "3"],
]

bench, warm, sizes, impostor = sys.argv[1:]


def run(*arguments, preload=None, program=None, **variables):
    if preload:
        variables["LD_PRELOAD"] = preload  # a name that the loader looks for, or a path
    return subprocess.run([program or bench, *arguments], env=environment(**variables), capture_output=True, text=True, timeout=60)


def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def bad_arguments():
    for arguments in BAD_ARGUMENTS:
        r = run(*arguments)
        if r.returncode != 2:
            yield f"{arguments}: status {r.returncode}, expected 2"
        if len(r.stderr.splitlines()) != 1 or r.stdout:
            yield f"{arguments}: expected one line on stderr and nothing on stdout: {r.stdout}{r.stderr}"


def quick(scenario):
    r = run(scenario, "--quick", "--json", "--runs", "2", "--seed", "7")
    alone = scenario == "burst" and len(os.sched_getaffinity(0)) == 1  # it says that nothing is to be seen then
    if r.returncode != 0 or (r.stderr and not alone):
        return [f"status {r.returncode}: {r.stderr}"]
    found = objects(r)
    complaints = [] if [o["run"] for o in found] == [1, 2] else [f"expected runs 1 and 2: {r.stdout}"]
    for o in found:
        complaints += [f"{n} is no number: {o.get(n)}" for n in NUMBERS if not isinstance(o.get(n), (int, float))]
        complaints += [f"{n} is missing" for n in OWN.get(scenario, []) if n not in o]
        if complaints:
            return complaints
        if o["scenario"] != scenario or o["seed"] != 7 or o["quick"] is not True or "tlb_shootdowns" not in o:
            complaints.append(f"not what was asked for: {o}")
        if not 0 < o["latency_median_ns"] <= o["latency_p99_ns"] <= o["latency_max_ns"]:
            complaints.append(f"latencies out of order: {o}")
        if not 0 < o["resident_average_mib"] <= o["resident_peak_mib"]:
            complaints.append(f"average and peak do not fit: {o}")
        if not 0 < o["work_ms"] <= o["wall_ms"] or not o["cpu_ms"] > 0 or not o["rounds"] > 0:
            complaints.append(f"nothing was done: {o}")
        if not o["allocator"].startswith("glibc ") or "libc" not in o["module"]:
            complaints.append(f"another allocator: {o['allocator']} in {o['module']}")
    return complaints


def text():
    r = run("sites", "--quick", "--seed", "11")
    for word in ["glibc ", "seed 11", "request", "burst", "table", "growth", "message"]:
        if word not in r.stdout:
            yield f"'{word}' is missing: {r.stdout}"


def calls(scenario, seed, directory):
    path = os.path.join(directory, "calls")
    pathlib.Path(path).write_text("")
    r = run(scenario, "--quick", "--seed", seed, "--json", preload=sizes, HAK_TEST_SIZES=path)
    if r.returncode != 0:
        raise RuntimeError(r.stderr)
    return pathlib.Path(path).read_text().splitlines()


def call_sites(scenario, directory):
    once, again = calls(scenario, "3", directory), calls(scenario, "3", directory)
    if once != again:
        return ["the same seed did not make the same calls"]
    found = {line.split()[2] for line in once}
    if len(found) != SITES[scenario]:
        return [f"expected {SITES[scenario]} call sites, found {len(found)}: {sorted(found)}"]
    return []


def apart(directory):
    """Twins that the compiler folded into one function would share a site, and be learned as one."""
    owners = {}
    for scenario in SCENARIOS:
        for offset in {line.split()[2] for line in calls(scenario, "3", directory)}:
            owners.setdefault(offset, []).append(scenario)
    return [f"{offset} is a call site of {names}" for offset, names in owners.items() if len(names) > 1]


def seeds(directory):
    if calls("mixed", "3", directory) == calls("mixed", "4", directory):
        yield "another seed made the same calls"


def named(preload, name, module):
    o = objects(run("json", "--quick", "--json", preload=preload))[0]
    if not o["allocator"].startswith(name) or module not in o["module"]:
        yield f"expected {name} in {module}, found {o['allocator']} in {o['module']}"


def warmer():
    r = run("0.0625", program=warm)
    if r.returncode != 0 or r.stdout or r.stderr:
        yield f"status {r.returncode}: {r.stdout}{r.stderr}"
    for argument in ["x", "-1", "nan", "1e9", ""]:
        r = run(argument, program=warm)
        if r.returncode != 2 or len(r.stderr.splitlines()) != 1:
            yield f"'{argument}': status {r.returncode}: {r.stderr}"


tap = Tap()
tap.case("bad arguments are one line on stderr and status 2", bad_arguments())
for scenario in SCENARIOS:
    tap.case(f"{scenario} runs in small and its JSON is whole", quick(scenario))
tap.case("the table names the allocator, the seed and the phases", text())
with tempfile.TemporaryDirectory() as directory:
    for scenario in SCENARIOS:
        tap.case(f"{scenario} has the call sites it says, and the same calls again", call_sites(scenario, directory))
    tap.case("no call site belongs to two scenarios", apart(directory))
    tap.case("another seed makes other calls", seeds(directory))
tap.case("a symbol alone does not make an allocator", named(impostor, "glibc", "libc"))
for name in ["jemalloc", "mimalloc"]:
    library = ctypes.util.find_library(name)
    skip = None if library else f"no lib{name} here"
    tap.case(f"{name} is named", named(library, name, name) if library else [], skip=skip)
tap.case("hakmem-warm takes one number of GiB", warmer())
tap.end()
