#!/usr/bin/env python3
"""hakmem run: the program's own status, signals and surroundings; and the truth about the library's effect."""

import os
import pty
import shutil
import signal
import subprocess

from tool import DOUBLE, PROGRAM, STATIC, STATIC_PIE, TOOL, Directory, Tap, environment, expect, hakmem

tap = Tap()


def first_line_then(number, *words):
    """Starts the tool, waits for the program's first line, sends the tool a signal, and returns how it ended."""
    process = subprocess.Popen([TOOL, "run", "--", *words], env=environment(), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    line = process.stdout.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return [] if (process.returncode, line + out, err) == (9, f"ready\ncaught {int(number)}\n", "") else \
        [process.returncode, line + out, err]


def key_on_terminal():
    """Types Ctrl-C at the tool's terminal, which sends SIGINT to the tool and the program alike."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(TOOL, [TOOL, "run", "--", PROGRAM, "catch", "2"], environment())
    said = b""
    try:
        while b"ready" not in said:
            said += os.read(terminal, 4096)
        os.write(terminal, b"\x03")
        while True:
            said += os.read(terminal, 4096)
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return [] if status == 9 and b"caught 2\r\n" in said else [status, said]


for status in (0, 1, 7, 255):
    tap.case(f"exit status {status} is kept", expect(hakmem("run", "--", PROGRAM, "exit", status), status, "", ""))
for number in (signal.SIGTERM, signal.SIGSEGV, signal.SIGKILL):
    tap.case(f"ended by {number.name}", expect(hakmem("run", PROGRAM, "signal", int(number)), 128 + number, "", ""))
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
    tap.case(f"{number.name} is passed on, once", first_line_then(number, PROGRAM, "catch", str(int(number))))

tap.case("a key on the terminal is not doubled", key_on_terminal())

tap.case("no such program", expect(hakmem("run", "./none"), 127, "", err_lines=1, err_has=["./none: No such file"]))
tap.case("not a program", expect(hakmem("run", "/"), 126, "", err_lines=1, err_has=["/: "]))
tap.case("standard input and output", expect(hakmem("run", "cat", stdin="some text"), 0, "some text", ""))
tap.case("what follows the program is its own", expect(hakmem("run", "echo", "--policy", "--help"), 0, "--policy --help\n", ""))
tap.case("-- ends the options", expect(hakmem("run", "--mode=off", "--", "echo", "--"), 0, "--\n", ""))
tap.case("with SIGCHLD ignored", expect(
    hakmem("run", PROGRAM, "exit", 7, before=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)), 7, "", ""))

with Directory() as there:
    seen = dict(line.split("=", 1) for line in
                hakmem("run", "--policy", "p.json", "--mode", "learn", "env", cwd=there).out.splitlines() if "=" in line)
    tap.case("the policy's path holds anywhere", [] if seen.get("HAKMEM_POLICY") == str(there / "p.json") else [seen])
    tap.case("the mode is set", [] if seen.get("HAKMEM_MODE") == "learn" else [seen])
    tap.case("the handshake is not passed on", [] if "HAKMEM_HANDSHAKE" not in seen else [seen])
tap.case("nothing is set that was not asked for",
         expect(hakmem("run", "sh", "-c", "echo ${HAKMEM_POLICY-none} ${HAKMEM_MODE-none}"), 0, "none none\n", ""))

preload = hakmem("run", "sh", "-c", "echo $LD_PRELOAD")
tap.case("the library is preloaded", expect(preload, 0, f"{os.path.realpath(DOUBLE)}\n", ""))
with Directory() as there:
    more = shutil.copy(DOUBLE, there / "another.so")
    both = hakmem("run", "sh", "-c", "echo $LD_PRELOAD", LD_PRELOAD=more)
    tap.case("before what was there", expect(both, 0, f"{os.path.realpath(DOUBLE)}:{more}\n", ""))
    again = hakmem("run", TOOL, "run", "sh", "-c", "echo $LD_PRELOAD")
    tap.case("but once", expect(again, 0, f"{os.path.realpath(DOUBLE)}\n", ""))

descriptors = ["ls", "/proc/self/fd"]
plain = subprocess.run(descriptors, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout
tap.case("no descriptor is left over", expect(hakmem("run", *descriptors), 0, plain, ""))

tap.case("a static program", expect(hakmem("run", STATIC, "exit", 5), 5, "", err_lines=1,
                                    err_has=["the library will have no effect", "statically linked"]))
tap.case("a static program that starts a dynamic one",
         expect(hakmem("run", STATIC, "start", PROGRAM, "exit", 6), 6, "", err_lines=1, err_has=["statically linked"]))
tap.case("a static program that looks like the loader",
         expect(hakmem("run", STATIC_PIE, "exit", 5), 5, "", err_lines=1, err_has=["took no effect in"]))
tap.case("and one that starts a dynamic one",
         expect(hakmem("run", STATIC_PIE, "start", PROGRAM, "exit", 6), 6, "", err_lines=1,
                err_has=["only in what it started"]))
loader = "/lib64/ld-linux-x86-64.so.2"
tap.case("the loader by its name", expect(hakmem("run", loader, PROGRAM, "exit", 6), 6, "", "")
         if os.path.exists(loader) else [], skip=None if os.path.exists(loader) else "no such loader here")
tap.case("a library that is not there after all",
         expect(hakmem("run", PROGRAM, "exit", 5, DOUBLE_SILENT=1), 5, "", err_lines=1, err_has=["took no effect in"]))
with Directory() as there:
    script = there / "script"
    script.write_text(f"#!{STATIC} exit\n")
    script.chmod(0o755)
    tap.case("a script of a static program", expect(hakmem("run", script), None, "", err_lines=1, err_has=[STATIC, "statically linked"]))
    script.write_text("#!/bin/sh\nexit 4\n")
    tap.case("a script of a dynamic one", expect(hakmem("run", script), 4, "", ""))

    wrong = there / "program"
    text = bytearray(open(PROGRAM, "rb").read(64))  # the header is enough to see it
    text[18] ^= 0x55  # e_machine
    wrong.write_bytes(text)
    wrong.chmod(0o755)
    tap.case("another architecture", expect(hakmem("run", wrong), err_has=["another architecture"]))

    owned = shutil.copy(PROGRAM, there / "owned")
    reason = None
    if os.geteuid() != 0:
        reason = "only root can make such a program"
    elif os.statvfs(there).f_flag & os.ST_NOSUID:
        reason = "the temporary directory is mounted nosuid"
    else:
        os.chown(owned, 65534, 65534)
        os.chmod(owned, 0o4755)
        there.chmod(0o755)
    tap.case("a set-user-ID program", [] if reason else
             expect(hakmem("run", owned, "exit", 3), 3, "", err_lines=1, err_has=["changes its user"]), skip=reason)

    tap.case("no library", expect(hakmem("run", "true", HAKMEM_LIBRARY=there / "none.so"), 125, "", err_lines=1,
                                  err_has=[f"HAKMEM_LIBRARY={there}/none.so: No such file"]))
    spaced = there / "a b"
    spaced.mkdir()
    library = shutil.copy(DOUBLE, spaced / "library.so")
    tap.case("a library the loader cannot be told of",
             expect(hakmem("run", "true", HAKMEM_LIBRARY=library), 125, "", err_lines=1, err_has=["a space or a colon"]))
tap.end()
