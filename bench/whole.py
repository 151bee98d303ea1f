"""Shared by model.py and oracle.py: a run of hakmem-bench under the library, and what it cost the machine."""

import json
import os
import subprocess
import sys

PRICE_MS_PER_GIB_S = 133
WARM_GIB = "2"
ARMS = [f"{backing}/{pages}/{fill}/{retain}" for backing in ("heap", "mmap") for pages in ("base", "huge")
        for fill in ("touch", "prefault") for retain in ("keep", "lazy", "drop")]


def bench(build, scenario, timeout_s=None, **settings):
    """One run on warmed memory; `settings` are HAKMEM_ options, without the prefix. subprocess.TimeoutExpired after
    timeout_s."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("HAK")}
    env.update({"HAKMEM_" + k.upper(): v for k, v in settings.items() if v})
    env["LD_PRELOAD"] = f"{build}/src/libhakmem.so"
    subprocess.run([f"{build}/bench/hakmem-warm", WARM_GIB], check=True, stdout=subprocess.DEVNULL)
    out = subprocess.run([f"{build}/bench/hakmem-bench", scenario, "--json"], env=env, check=True, text=True,
                         stdout=subprocess.PIPE, timeout=timeout_s).stdout
    run = json.loads(out.splitlines()[0])
    if not run["allocator"].startswith("hakmem"):
        sys.exit(f"{run['allocator']} is in the process, not hakmem")
    return run


def whole_cost_ms(run):
    """CPU time of the process, and the memory it held: 1 GiB for 1 s is 133 ms."""
    return run["cpu_ms"] + PRICE_MS_PER_GIB_S * run["resident_average_mib"] / 1024 * run["wall_ms"] / 1000


def inspected(build, policy):
    return json.loads(subprocess.run([f"{build}/tools/hakmem", "inspect", "--json", policy], check=True, text=True,
                                     stdout=subprocess.PIPE).stdout)["sites"]
