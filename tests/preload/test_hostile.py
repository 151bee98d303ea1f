#!/usr/bin/env python3
"""test_hostile.py LIBRARY PROGRAM ARGUMENT...: whatever HAKMEM_POLICY and the other variables hold, there is one clear line
on stderr, and the program runs on and prints the same; under AT_SECURE the environment is not looked at."""

import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from tap import Tap  # noqa: E402
from under import TOP, one_line_of_ours, run  # noqa: E402

TRUNCATIONS = 24

SECURE_PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
int main(void)
{
    char *p = malloc(300000);
    memset(p, 1, 300000);
    printf("secure %lu\n", getauxval(AT_SECURE));
    free(p);
    return 0;
}
"""


def hostile_files(directory, good):
    """(what it is, path) of things that are no policy"""
    def written(name, data):
        path = directory / name.replace(" ", "-")
        path.write_bytes(data)
        return name, path

    text = good.read_bytes()
    for i in range(TRUNCATIONS):
        yield written(f"cut after {len(text) * i // TRUNCATIONS} bytes", text[:len(text) * i // TRUNCATIONS])
    yield written("not JSON", b"#!/bin/sh\nrm -rf nothing\n")
    yield written("all zeros", bytes(5000))
    yield written("every byte", bytes(range(256)) * 20)
    yield written("deep", b"[" * 100000)
    yield written("another version", text.replace(b'"hakmem_policy": 1', b'"hakmem_policy": 999999', 1))
    yield written("a number that is none", text.replace(b'"hakmem_policy": 1', b'"hakmem_policy": 1e999', 1))
    yield written("twice the same key", text.replace(b"{", b'{"hakmem_policy": 1, "hakmem_policy": 1, ', 1))
    yield written("an empty object", b"{}")
    yield written("something after it", text + b"{}")
    (directory / "a-directory").mkdir()
    yield "a directory", directory / "a-directory"
    (directory / "dangling").symlink_to(directory / "nothing")
    yield "a dangling link", directory / "dangling"
    (directory / "loop").symlink_to(directory / "loop")
    yield "a loop of links", directory / "loop"
    os.mkfifo(directory / "fifo")
    yield "a pipe that nobody writes", directory / "fifo"
    yield "a device", pathlib.Path("/dev/zero")
    with open(directory / "huge", "wb") as f:
        f.truncate(100 << 20)
    yield "100 MB of zeros", directory / "huge"
    yield "nothing", directory / "absent.json"
    yield "a path too long", pathlib.Path("/tmp/" + "x" * 5000)


def secure_case(tap, library, directory):
    """A set-user-ID program that is linked with the library; the preloading kind the loader refuses itself."""
    name = "under AT_SECURE the environment is not looked at"
    if os.geteuid() != 0:
        tap.case(name, skip="making a set-user-ID program for another user takes root")
        return
    place = pathlib.Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:
        place.chmod(0o755)
        source, program, copy = place / "secure.c", place / "secure", place / "libhakmem.so"
        shutil.copy(os.path.realpath(library), copy)
        copy.chmod(0o755)
        soname = subprocess.run(["readelf", "-d", copy], stdout=subprocess.PIPE, text=True).stdout
        wanted = soname.partition("soname: [")[2].partition("]")[0]
        if wanted and wanted != copy.name:
            (place / wanted).symlink_to(copy.name)
        source.write_text(SECURE_PROGRAM, encoding="utf-8")
        subprocess.run([*shlex.split(os.environ.get("CC") or "cc"), str(source), "-o", str(program),
                        str(copy), f"-Wl,--no-as-needed,-rpath,{place}"], check=True)
        # The linker may record the library as it was named; the loader finds it by rpath in either case.
        env = {"HAKMEM_STATS": place / "said.json", "HAKMEM_MODE": "no-such-mode",
               "HAKMEM_POLICY": "/nonexistent/policy"}
        before = run([program], env=env)
        # Without AT_SECURE the same environment is looked at: the test can tell the two apart.
        wrong = [] if "secure 0" in before.out and before.err else [f"plain: {before.out}{before.err}"]
        (place / "said.json").unlink(missing_ok=True)
        os.chown(program, 65534, 65534)
        program.chmod(0o4755)
        place.chmod(0o777)
        ended = run([program], env=env)
        if "secure 1" not in ended.out:
            tap.case(name, wrong, skip=f"set-user-ID does not work here: {ended.out}{ended.err}")
            return
        if ended.err or ended.status != 0:
            wrong.append(f"{ended.status} {ended.err}")
        if (place / "said.json").exists():
            wrong.append("statistics were written")
        tap.case(name, wrong)
    finally:
        shutil.rmtree(place)


def main():
    library, *program = sys.argv[1:]
    tap, plain = Tap(), run(program)
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        good = TOP / "policies/default.json"
        ended = run(program, library, env={"HAKMEM_POLICY": good})
        tap.case("a good policy: not a word", ended.differs(plain))
        for what, path in hostile_files(directory, good):
            ended = run(program, library, env={"HAKMEM_POLICY": path}, timeout=30)
            wrong = one_line_of_ours(ended.err)
            ended.err = plain.err
            tap.case(f"policy: {what}", wrong + ended.differs(plain))
        for variable, value in {"HAKMEM_MODE": "banana", "HAKMEM_ARM": "mmap/none", "HAKMEM_CACHE_MB": "-1",
                                "HAKMEM_BATCH_COUNT": "99999999999999999999", "HAKMEM_GOAL": "%n%n%s",
                                "HAKMEM_TIMER": "2", "HAKMEM_SAVE_SECONDS": "0"}.items():
            ended = run(program, library, env={variable: value})
            wrong = one_line_of_ours(ended.err)
            if variable not in ended.err:
                wrong.append(f"the line does not say {variable}: {ended.err}")
            ended.err = plain.err
            tap.case(f"{variable}={value}", wrong + ended.differs(plain))
        for what, path in (("a directory that is not there", "/nonexistent/policy.json"),
                           ("a directory", directory / "a-directory")):
            ended = run(program, library, env={"HAKMEM_MODE": "learn", "HAKMEM_POLICY": path})
            wrong = [] if ended.err.startswith("hakmem: ") else [f"nothing was said: {ended.err}"]
            ended.err = plain.err
            tap.case(f"learning into {what}", wrong + ended.differs(plain))
        secure_case(tap, library, directory)
    tap.end()


if __name__ == "__main__":
    main()
