#!/usr/bin/env python3
"""same.py LIBRARY VARIANTS PROGRAM ARGUMENT...: the program prints the same under hakmem, in every mode.

VARIANTS: `all`, or `modes` for programs that take long and for builds where the arm makes no difference.
An argument as=MIB or data=MIB before the program sets that limit for every run.
"""

import json
import pathlib
import resource
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from tap import Tap  # noqa: E402
from under import MIB, MMAP_ARMS, run  # noqa: E402

SWITCHES = [
    {"HAKO_HAKMEM_LARGE_MMAP": 0}, {"HAKMEM_BATCH": 0}, {"HAKMEM_TIMER": 0}, {"HAKMEM_CACHE_MB": 0},
    {"HAKMEM_ARENA_GB": 0}, {"HAKMEM_ARENA_GB": 1}, {"HAKMEM_GOAL": "memory", "HAKMEM_BATCH_COUNT": 1},
    {"HAKMEM_GOAL": "speed", "HAKMEM_CACHE_MB": 4}]


REGRETS = ("hakmem: no helper thread", "hakmem: no memory for a copy", "no memory to read it with",
           "cannot be written: Cannot allocate memory")
NO_POLICY = "cannot be opened: No such file"


def without_regrets(err, had_policy):
    """Under a limit the library may do without what it only wanted, a helper thread or a save, and says so once."""
    regrets = REGRETS if had_policy else (*REGRETS, NO_POLICY)
    return "".join(line for line in err.splitlines(True) if not any(regret in line for regret in regrets))


def arms_for(program):
    """Every other arm: which half, the program's name says."""
    half = sum(pathlib.Path(program).name.encode()) % 2
    return ["heap/base/touch/keep", "heap/huge/touch/drop", *MMAP_ARMS][half::2]


def variants(which, policy, program):
    yield "off", {"HAKMEM_MODE": "off"}
    yield "the built-in policy", {}
    yield "learning", {"HAKMEM_MODE": "learn", "HAKMEM_POLICY": policy}
    yield "learning on", {"HAKMEM_MODE": "learn", "HAKMEM_POLICY": policy, "HAKMEM_SEED": 7}
    yield "what was learned", {"HAKMEM_POLICY": policy}
    if which == "all":
        yield from ((f"arm {arm}", {"HAKMEM_ARM": arm}) for arm in arms_for(program))
        for switch in SWITCHES:
            yield " ".join(f"{k}={v}" for k, v in switch.items()), switch


def main():
    library, which, *command = sys.argv[1:]
    limit = None
    if command[0].partition("=")[0] in ("as", "data"):
        name, _, mib = command.pop(0).partition("=")
        limit = (resource.RLIMIT_AS if name == "as" else resource.RLIMIT_DATA, int(mib) * MIB)
    limited = limit or command[1:2] in (["as"], ["data"])
    tap, plain = Tap(), run(command, limit=limit)
    tap.case("plain", [] if plain.status == 0 and plain.out else [f"{plain.status} {plain.out}{plain.err}"])
    absent = run(command, limit=limit, env={"TEST_EXPECT_HAKMEM": 1})
    tap.case("without the library it would fail", [] if absent.status == 1 else [absent.out])
    with tempfile.TemporaryDirectory() as directory:
        policy = pathlib.Path(directory, "policy.json")
        for name, env in variants(which, policy, command[0]):
            had_policy = policy.exists()  # under a limit the session before may not have saved one
            ended = run(command, library, env=env, limit=limit)
            if limited:
                ended.err = without_regrets(ended.err, had_policy)
            complaints = ended.differs(plain)
            # A limit that the program sets for itself may leave no memory to save with.
            if name.startswith("learning") and command[1:2] not in (["as"], ["data"]):
                try:
                    json.loads(policy.read_text(encoding="utf-8"))
                except (OSError, ValueError) as error:
                    complaints.append(f"no policy was written: {error}")
            tap.case(name, complaints)
    tap.end()


if __name__ == "__main__":
    main()
