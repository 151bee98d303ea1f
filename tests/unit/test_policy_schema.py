#!/usr/bin/env python3
"""The JSON Schema of policies: what the writer writes and what is in policies/ follows it, and of a policy with
one thing wrong it says what the reader says.

usage: test_policy_schema.py POLICIES_DIRECTORY POLICY_PRINT
"""

import copy
import json
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tap import Tap  # noqa: E402

try:
    import jsonschema
except ImportError:
    # The distribution's package is the distribution's python's.
    if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    Tap().case("policy schema", skip="python3-jsonschema is not installed")
    sys.exit(77)

POLICIES, POLICY_PRINT = pathlib.Path(sys.argv[1]), sys.argv[2]
SCHEMA = json.loads((POLICIES / "policy.schema.json").read_text(encoding="utf-8"))
PAGE = POLICIES.parent / "docs" / "policy-format.md"
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)

# A value of every type and of odd ranges: put in each place of a policy, one after another.
VALUES = [
    None, True, "", "x", "0x0", "0x0000000000000001", "mmap/huge/touch/keep", "new", [], {}, [1], {"x": 1},
    -1, 0, 1, 2, 16, 41, 4096, 4095, 2**31, 2**32, 2**53 + 1, 2**64 - 1, 2**64, -(2**63), "x" * 200, "a\nb", 1.5,
]  # fmt: skip

# Places where the reader knows more than a schema can say: relations between numbers, and unique names.
KNOWN_BY_THE_READER_ALONE = {
    "id", "band", "arm", "plays", "elo", "raw", "arms", "state", "played_as", "episodes", "watched", "slow",
    "slow_excess_q10", "matches_q16",
}  # fmt: skip


def complaint(policy):
    errors = sorted(VALIDATOR.iter_errors(policy), key=lambda e: list(map(str, e.path)))
    return [f"{'/'.join(map(str, e.path))}: {e.message[:200]}" for e in errors[:3]]


def printed(seed, sites):
    return subprocess.run([POLICY_PRINT, str(seed), str(sites)], check=True, capture_output=True, text=True).stdout


def places(value, path=()):
    """Every (path, value) below `value`."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield (*path, key), child
        yield from places(child, (*path, key))


def replaced(policy, path, value):
    policy = copy.deepcopy(policy)
    at = policy
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return policy


def without(policy, path):
    policy = copy.deepcopy(policy)
    at = policy
    for step in path[:-1]:
        at = at[step]
    del at[path[-1]]
    return policy


def key_of(path):
    return [step for step in path if isinstance(step, str)][-1]


def refusals(policies):
    """The reader's line for each policy; "" when it takes it."""
    lines = "".join(json.dumps(p, ensure_ascii=False) + "\n" for p in policies)
    answers = subprocess.run([POLICY_PRINT], input=lines, check=True, capture_output=True, text=True).stdout
    return ["" if answer == "ok" else answer for answer in answers.splitlines()]


def disagreements(broken):
    """Of (path, what, policy): where schema and reader differ, and how many the schema refuses."""
    complaints, refused = [], 0
    for (path, what, policy), refusal in zip(broken, refusals(policy for _, _, policy in broken), strict=True):
        schema, where = complaint(policy), "/".join(map(str, path))
        refused += bool(schema)
        if schema and not refusal:
            complaints.append(f"{where} {what}: the reader takes it, the schema says {schema[0]}")
        if refusal and not schema and key_of(path) not in KNOWN_BY_THE_READER_ALONE:
            complaints.append(f"{where} {what}: the schema takes it, the reader says {refusal}")
    return complaints, refused


def small_sample():
    """A policy with every key, cut down so that each place can be tried."""
    policy = json.loads(printed(4, 1))
    policy["defaults"] = policy["defaults"][:1]
    policy["sites"][0]["bands"] = [b for b in policy["sites"][0]["bands"] if "raw" in str(b)][:1]
    arms = policy["sites"][0]["bands"][0]["arms"]
    played = [a for a in arms if "raw" in a]
    pooled = [a for a in arms if "played_as" in a and "raw" not in a]
    policy["sites"][0]["bands"][0]["arms"] = played + pooled[:1]
    # Only one of the played arms is varied; the others keep the sums right.
    return policy


def varied(policy):
    """The places of the policy that are worth varying: of arms, one played and the pooled one."""
    last = len(policy["sites"][0]["bands"][0]["arms"]) - 1
    for path, _ in places(policy):
        if "arms" in path[:-1] and path[path.index("arms") + 1] not in (0, last):
            continue
        yield path


def main():
    tap = Tap()
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    for file in sorted(POLICIES.glob("*.json")):
        if file.name != "policy.schema.json":
            tap.case(f"{file.name} follows the schema", complaint(json.loads(file.read_text(encoding="utf-8"))))
    examples = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)]
    complaints = [] if len(examples) >= 2 else [f"{len(examples)} examples found"]
    complaints += [c for e in examples for c in complaint(e)] + [r for r in refusals(examples) if r]
    tap.case("the examples in docs/policy-format.md are policies", complaints)

    complaints = []
    for seed in range(1, 31):
        complaints += complaint(json.loads(printed(seed, seed % 5)))
    tap.case("what the writer writes follows the schema", complaints)

    policy = small_sample()
    tap.case("the sample is a policy to both", complaint(policy) + [r for r in refusals([policy]) if r])

    broken = [
        (path, f"= {str(value)[:40]!r}", replaced(policy, path, value)) for path in varied(policy) for value in VALUES
    ]
    complaints, refused = disagreements(broken)
    print(f"# {len(broken)} policies with one value changed; the schema refuses {refused}")
    tap.case("schema and reader agree on changed values", complaints)
    tap.case("the schema refuses most of them", [] if refused > len(broken) // 2 else [f"{refused} of {len(broken)}"])

    keys = [path for path in varied(policy) if isinstance(path[-1], str)]
    complaints, _ = disagreements([(path, "left out", without(policy, path)) for path in keys])
    tap.case("schema and reader agree on keys left out", complaints)

    misspelt = [(path, "misspelt", replaced(without(policy, path), (*path[:-1], path[-1] + "_"), 1)) for path in keys]
    complaints, refused = disagreements(misspelt)
    complaints += [] if refused == len(keys) else [f"the schema refuses {refused} of {len(keys)}"]
    tap.case("neither takes a misspelt key", complaints)
    tap.end()


main()
