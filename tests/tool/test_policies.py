#!/usr/bin/env python3
"""hakmem check, inspect and merge, on policies that the learner and the writer made."""

import json
import os
import re

from tool import Directory, Tap, expect, hakmem, inspected, make_policy

KINDS = {"learned": "3 sites, 3 bands, 2 decided", "open": "1 site, 1 band, 0 decided",
         "single": "1 site, 1 band, ", "empty": "0 sites, 0 bands, 0 decided"}
VM, SPARSE = "1111222233334444", "aaaabbbbccccdddd"
tap = Tap()


def plays(policy):
    return {(s["site"], s["band"], a["arm"]): a.get("plays") for s in policy["sites"] for a in s["arms"]}


def files(there):
    return sorted(os.listdir(there))


with Directory() as there:
    made = {kind: make_policy(kind, there / f"{kind}.json") for kind in [*KINDS, "other", "frugal"]}

    # check
    for kind, summary in KINDS.items():
        tap.case(f"check: {kind}", expect(hakmem("check", made[kind]), 0, err="",
                                          out_has=[f"{made[kind]}: valid, {summary}"]))
    text = made["learned"].read_text()
    for what, broken in {"half": text[:len(text) // 2], "nothing": "", "an unknown band": text.replace('"band": 21', '"band": 99'),
                         "two policies": text + text}.items():
        bad = there / "bad.json"
        bad.write_text(broken)
        ended = hakmem("check", bad)
        tap.case(f"check: {what}", expect(ended, 1, err="", out_has=[f"{bad}: "])
                 if (ended.status, ended.out.count("\n")) != (1, 1) else [])
    tap.case("check: no file", expect(hakmem("check", there / "none"), 1, err="", out_has=["No such file"]))
    tap.case("check: a directory", expect(hakmem("check", there), 1, err="", out_has=[f"{there}: "]))

    # inspect
    ended = hakmem("inspect", made["learned"])
    lines = [line for line in ended.out.splitlines() if re.search(r" [0-9a-f]{16} ", line)]
    tap.case("inspect: the head", expect(ended, 0, err="", out_has=[
        "3 sites, 3 bands, 2 decided, goal balanced", "learned on Imaginary 3000, Linux 6.1.0"]))
    tap.case("inspect: dearest first", [] if [re.search(r"[0-9a-f]{16}", line).group() for line in lines] ==
             [SPARSE, VM, "0" * 12 + "1234"] else [str(ended)])
    tap.case("inspect: a row", [] if re.search(
        r"\d ms +[\d.]+ % +1111222233334444 +2-4 MiB +3000 +[\d.]+ us +mmap/huge/touch/keep +decided +\d+ \+-\d+ +"
        r"vm_round\+0x1f in hakmem-bench\+0x4f21", ended.out) else [str(ended)])
    whole = inspected(made["learned"])
    tap.case("inspect --json: the same sites", [] if [s["site"] for s in whole["sites"]] ==
             [SPARSE, VM, "0" * 12 + "1234"] else [whole])
    tap.case("inspect --json: every arm once", [s["site"] for s in whole["sites"]
                                                if len({a["arm"] for a in s["arms"]}) != 24 or len(s["arms"]) != 24])
    tap.case("inspect --json: costs add up", [] if abs(sum(s["cost_ns"] for s in whole["sites"]) - whole["cost_ns"]) < 1
             and abs(sum(s["share"] for s in whole["sites"]) - 1) < 1e-4 else [whole])
    mean = {s["site"]: sum(a["plays"] * a["mean_cost_ns"] for a in s["arms"] if a.get("plays")) / s["cost_ns"]
            for s in whole["sites"]}
    tap.case("inspect --json: arms' costs are their site's", [m for m in mean.values() if abs(m - 1) > 1e-3])

    more = json.loads(text)
    for site in more["sites"]:
        if site["id"] == f"0x{VM}":
            site["bands"][0]["unmeasured"] = 1000
    sampled = there / "sampled.json"
    sampled.write_text(json.dumps(more))
    before, after = ({s["site"]: s for s in inspected(f)["sites"]}[VM] for f in (made["learned"], sampled))
    each = {a["arm"]: a.get("mean_cost_ns") for a in before["arms"]}[before["champion"]]
    tap.case("inspect --json: blocks not measured cost what the champion's do", [] if after["episodes"] ==
             before["episodes"] + 1000 and abs(after["cost_ns"] - before["cost_ns"] - 1000 * each) < 1000 else [before, after])

    for name in (VM, "1111", f"0x{VM}", "0x1111", "0X11112", "VM_ROUND".lower(), "bench+0x4f21"):
        ended = hakmem("inspect", made["learned"], "--site", name)
        arms = re.findall(r"^  ((?:heap|mmap)/\w+/\w+/\w+) ", ended.out, re.M)
        # The champion has a row and begins the reason.
        tap.case(f"inspect --site {name}", expect(ended, 0, err="", out_has=[f"site {VM}: vm_round+0x1f"])
                 if len(arms) != 25 or len(set(arms)) != 24 or SPARSE in ended.out else [])
    tap.case("inspect --site: none such", expect(hakmem("inspect", made["learned"], "-s", "nowhere"), 1, "", err_lines=1,
                                                 err_has=["'nowhere'"]))
    tap.case("inspect --site: 0x is no site", expect(hakmem("inspect", made["learned"], "-s", "0x"), 1, "", err_lines=1,
                                                     err_has=["'0x'"]))
    tap.case("inspect: no policy", expect(hakmem("inspect", there / "bad.json"), 1, "", err_lines=1,
                                          err_has=["hakmem inspect: ", "bad.json"]))
    tap.case("inspect: an empty policy", expect(hakmem("inspect", made["empty"]), 0, err="", out_has=["0 sites"])
             + expect(hakmem("inspect", made["empty"], "--json"), 0, err="", out_has=['"sites": []']))

    # The reasons: 2 MiB for 2 us at 133 ms per GiB and second are 0.52 ns; a huge fault is 43 us.
    reason = {s["site"]: s["reason"] for s in whole["sites"]}
    for part in ("mmap/huge/touch/keep leads: reused 100 % of the time after 2.00 us idle", "2.00 MiB costs 0.52 ns",
                 "would cost 43.0 us", "cheaper than the next class mmap/"):
        tap.case(f"reason to keep: {part}", [] if part in reason[VM] else [reason[VM]])
    # 600 base pages at 1560 ns are 936 us; holding them costs as much after 3.07 s.
    for part in ("mmap/base/touch/drop leads: ", "2.34 MiB pays only for reuse within 3.07 s", "936 us",
                 "reused 0 % of the time"):
        tap.case(f"reason to drop: {part}", [] if part in reason[SPARSE] else [reason[SPARSE]])
    single = inspected(made["single"])["sites"][0]
    tap.case("reason where there is one arm", [] if "cannot be played" in single["reason"] and single["decided"] else [single])
    standing = {a["arm"]: a["standing"] for a in single["arms"]}
    tap.case("masked, pooled and standing", [] if standing["mmap/huge/touch/keep"] == "masked" and
             standing["heap/huge/touch/keep"] == "pooled" and standing["heap/base/touch/keep"] == "stands" else [standing])
    tap.case("what is open is said to be", [] if "not decided yet" in inspected(made["open"])["sites"][0]["reason"] else
             [inspected(made["open"])])

    # merge
    out = there / "merged.json"
    names = files(there)
    ended = hakmem("merge", made["learned"], made["other"], "-o", out)
    tap.case("merge", expect(ended, 0, f"{out}: 4 sites from 2 files\n", ""))
    tap.case("merge: nothing else is left behind", [] if files(there) == sorted([*names, "merged.json", "merged.json.lock"]) else [files(there)])
    sums, first, second = plays(inspected(out)), plays(whole), plays(inspected(made["other"]))
    tap.case("merge: plays add up", [f"{key}: {n}" for key, n in sums.items()
                                     if n is not None and n != (first.get(key) or 0) + (second.get(key) or 0)])
    hakmem("merge", "-o", there / "turned.json", made["other"], made["learned"])
    tap.case("merge: in either order", [] if plays(inspected(there / "turned.json")) == sums else ["they differ"])
    same = hakmem("merge", made["learned"], "-o", there / "one.json")
    tap.case("merge: of one", expect(same, 0) if inspected(there / "one.json")["sites"] != whole["sites"] else [])
    hakmem("merge", made["learned"], made["empty"], "-o", there / "one.json")
    tap.case("merge: an empty policy changes nothing",
             [] if plays(inspected(there / "one.json")) == first else [inspected(there / "one.json")])
    hakmem("merge", made["open"], made["other"], "-o", made["open"])
    tap.case("merge: into one of them", expect(hakmem("check", made["open"]), 0, out_has=["2 sites"]))

    before, names = out.read_bytes(), files(there)
    for what, inputs in {"different goals": [made["learned"], made["frugal"]],
                         "a broken one": [made["learned"], there / "bad.json"],
                         "a missing one": [there / "none.json", made["learned"]]}.items():
        ended = hakmem("merge", *inputs, "-o", out)
        tap.case(f"merge: {what}", expect(ended, 1, "", err_lines=1))
        tap.case(f"merge: {what}: the output is as it was",
                 [] if out.read_bytes() == before and files(there) == names else [files(there)])
    tap.case("merge: nowhere to write", expect(hakmem("merge", made["learned"], "-o", there / "no/where.json"), 125, "",
                                               err_lines=1, err_has=["No such file"]))
    json.loads(out.read_text())
tap.end()
