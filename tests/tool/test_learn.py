#!/usr/bin/env python3
"""hakmem learn: when it stops, what it keeps apart, and what it says at the end."""

import os
import re
import signal
import subprocess

from tool import (PROGRAM, STATIC, TOOL, Directory, Tap, environment, expect, hakmem, inspected,
                  make_policy)

ECHO = "/bin/echo"
tap = Tap()


def progress(err):
    """(run, decided, hot, calls) of each progress line"""
    line = r"^hakmem learn: run (\d+): \d+ sites?, (\d+) of (\d+) hot size bands decided, (\d+) calls learnt from$"
    return [tuple(map(int, found)) for found in re.findall(line, err, re.M)]


def learn(*words, episodes=60, **more):
    return hakmem("learn", "--no-warm", *words, DOUBLE_EPISODES=episodes, **more)


with Directory() as there:
    policy = there / "p.json"
    ended = learn("-o", policy, "--", ECHO, "hello")
    lines = progress(ended.err)
    runs = len(lines)
    tap.case("it runs until it is decided", [str(ended)] if ended.status != 0 or not 1 < runs < 20 or
             [line[1] for line in lines] != [0] * (runs - 1) + [1] else [])
    tap.case("calls add up", [] if [line[3] for line in lines] == [60 * n for n in range(1, runs + 1)] else [lines])
    tap.case("the program's output is shown once", expect(ended, out="hello\n"))
    row = [line for line in ended.err.splitlines() if line.startswith("  decided")]
    tap.case("the table", [] if len(row) == 1 and "vm_round" in row[0] and "mmap/huge/touch/keep" in row[0]
             else [str(ended)])
    tap.case("the policy is what was said", [] if inspected(policy)["sites"][0]["champion"] == "mmap/huge/touch/keep"
             else [inspected(policy)])

    before = inspected(policy)["episodes"]
    ended = learn("-o", policy, "--runs", 3, "--", ECHO, "hello")
    tap.case("a policy that is there is gone on with, for exactly N runs",
             expect(ended, 0, "hello\n") if [line[3] for line in progress(ended.err)] !=
             [before + 60 * n for n in (1, 2, 3)] else [])

    before = policy.read_bytes()
    ended = learn("-o", policy, "--goal", "speed", "--", ECHO)
    tap.case("another goal is refused", expect(ended, 2, "", err_lines=1, err_has=["goal balanced", "--goal speed"]))
    tap.case("and nothing changed", [] if policy.read_bytes() == before else ["the file is another"])

with Directory() as there:
    ended = learn("-o", "p.json", "-n", 3, "-v", "sh", "-c", 'echo "$HAKMEM_SEED $HAKMEM_MODE $HAKMEM_GOAL"; cd /; exec env',
                  cwd=there)
    seeds = re.findall(r"^(\d) learn $", ended.out, re.M)
    tap.case("each run has a seed of its own", expect(ended, 0) if seeds != ["1", "2", "3"] else [])
    tap.case("the policy is found from another directory",
             [] if (there / "p.json").is_file() and not os.path.exists("/p.json") else [str(ended)])
    ended = learn("-o", "q.json", "-n", 1, "-g", "memory", "sh", "-c", "echo $HAKMEM_GOAL", cwd=there)
    tap.case("the goal is set", expect(ended, 0, "memory\n"))
    frugal = make_policy("frugal", there / "frugal.json")
    ended = learn("-o", frugal, "-n", 1, "sh", "-c", "echo $HAKMEM_GOAL", HAKMEM_GOAL="speed")
    tap.case("the file's goal goes before the environment's", expect(ended, None, "memory\n"))

with Directory() as there:
    (there / "input").write_text("some input\n")
    with open(there / "input") as file:
        ended = learn("-o", there / "p.json", "-n", 3, "-v", "cat", stdin=file)
    tap.case("every run reads the whole input", expect(ended, 0, 3 * "some input\n"))
    ended = learn("-o", there / "p.json", "-n", 3, "-v", "cat", stdin="from a pipe\n")
    tap.case("a pipe is the first run's", expect(ended, 0, "from a pipe\n", err_has=["cannot be read again"]))

with Directory() as there:
    ended = learn("-o", there / "p.json", "-n", 5, "--", PROGRAM, "count", there / "runs", 3)
    tap.case("a run that fails ends it", expect(ended, 3, "run 1\n", err_has=["run 3: ", "ended with status 3",
                                                                            "complaint of run 3\n"]))
    tap.case("what was learned is kept, and shown", expect(ended, err_has=["vm_round"])
             if len(progress(ended.err)) != 3 else [])
    ended = learn("-o", there / "q.json", "--", PROGRAM, "signal", int(signal.SIGSEGV))
    tap.case("a run that crashes", expect(ended, 128 + signal.SIGSEGV, "", err_has=["ended by signal 11"]))
    ended = learn("-o", there / "q.json", "--", PROGRAM, "exit", 255)
    tap.case("a status that is no signal's", expect(ended, 255, "", err_has=["ended with status 255; learning ends here"]))
    ended = learn("-o", there / "q.json", "--", "./none")
    tap.case("a program that is not there", expect(ended, 127, "", err_lines=1, err_has=["./none: No such file"]))

    ended = learn("-o", there / "q.json", "--", ECHO, episodes="")
    tap.case("nothing to learn", expect(ended, 0, "\n", err_has=["nothing was learned"])
             if len(progress(ended.err)) != 1 else [])
    saved = "learning is saved at exit() and every HAKMEM_SAVE_SECONDS (30 s), and what ends otherwise loses"
    for words, status in ((("signal", 9), 137), (("signal", 11), 139), (("leave", 0), 0), (("leave", 3), 3)):
        ended = learn("-o", there / "q.json", "--", PROGRAM, *words)
        tap.case(f"what is learned is lost: {words}", expect(ended, status, "", err_has=["nothing was learned", saved]))
    ended = learn("-o", there / "q.json", "--", STATIC, "exit", 0)
    tap.case("a static program", expect(ended, 125, "", err_has=["statically linked"])
             if len(progress(ended.err)) > 1 or "nothing was learned" in ended.err else [])

    broken = there / "broken.json"
    broken.write_text('{"hakmem_policy": 1,}')
    ended = learn("-o", broken, "--", ECHO)
    tap.case("a file that is no policy is left alone",
             expect(ended, 2, "", err_lines=1, err_has=["broken.json", "line 1"])
             if broken.read_text() == '{"hakmem_policy": 1,}' else ["it was changed"])

with Directory() as there:
    file = there / "no" / "p.json"
    ended = learn("-o", file, "--", ECHO, "hello")
    tap.case("nowhere to write, said before the program is run",
             expect(ended, 125, "", f"hakmem learn: {file}: cannot be written: No such file or directory\n"))
    ended = learn("-o", there / "p.json", "--", "./none")
    tap.case("the trial leaves no file behind", [] if os.listdir(there) == [] else [os.listdir(there), str(ended)])

    closed, locked = there / "closed", there / "closed" / "p.json"
    closed.mkdir()
    make_policy("learned", locked)
    os.symlink(locked, there / "link.json")
    closed.chmod(0o555)
    reason = "root may write everywhere" if os.geteuid() == 0 else None
    for name in (closed / "new.json", locked, there / "link.json"):
        tap.case(f"a directory that is closed: {name.name}", [] if reason else
                 expect(learn("-o", name, "--", ECHO), 125, "", err_lines=1, err_has=["cannot be written: Permission"]), skip=reason)
    closed.chmod(0o755)
    locked.chmod(0o444)
    tap.case("a file that may not be written to", [] if reason else
             expect(learn("-o", locked, "--", ECHO), 125, "", err_lines=1, err_has=["cannot be written: Permission"]), skip=reason)

with Directory() as there:
    process = subprocess.Popen([TOOL, "learn", "--no-warm", "-o", there / "p.json", "--", PROGRAM, "catch", str(int(signal.SIGTERM))],
                               env=environment(DOUBLE_EPISODES=60), text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    tap.case("a signal ends the learning after this run, with its table",
             [] if process.returncode == 9 and len(progress(err)) == 1 and "signal 15" in err and "vm_round" in err
             else [process.returncode, out, err])
tap.end()
