#!/usr/bin/env python3
"""test_broken.py LIBRARY PROGRAM: programs with mistakes end at once, in one clear line and SIGABRT."""

import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from tap import Tap  # noqa: E402
from under import one_line_of_ours, run  # noqa: E402

ARMS = ["mmap/base/touch/drop", "mmap/base/touch/keep", "mmap/huge/touch/lazy"]
MISTAKES = ["double", "inside", "page", "realloc"]
HEAP = "heap/base/touch/keep"
SMALL = [8, 100, 5000, 40000]
STRAY_WAYS = 6


def mistakes():
    """(arm, the program's arguments)"""
    for arm in ARMS:
        yield from ((arm, [mistake]) for mistake in MISTAKES)
    for bytes_ in SMALL:
        yield ARMS[0], ["double", bytes_]
        yield ARMS[0], ["ring", bytes_]
        yield ARMS[0], ["remote", bytes_]
        yield ARMS[0], ["between", bytes_]
    yield HEAP, ["double", 200000]
    yield HEAP, ["remote", 200000]
    yield ARMS[0], ["remote", 200000]
    yield ARMS[0], ["inside", 48]
    yield ARMS[0], ["inside", 40000]
    yield HEAP, ["inside", 200000]
    yield HEAP, ["page", 200000]
    yield ARMS[0], ["unused", 48]
    yield HEAP, ["unused", 200000]
    for bytes_ in (16, 48, 1000, 5000, 40000):
        yield from ((ARMS[0], ["stray", bytes_, way]) for way in range(STRAY_WAYS))
    yield from ((HEAP, ["stray", 200000, way]) for way in range(STRAY_WAYS))


def main():
    library, program = sys.argv[1:]
    tap = Tap()
    for arm, arguments in mistakes():
        ended = run([program, *arguments], library, env={"HAKMEM_ARM": arm}, timeout=20)
        complaints = one_line_of_ours(ended.err)
        if ended.status != -signal.SIGABRT:
            complaints.append(f"status {ended.status}, expected SIGABRT")
        if ended.out:
            complaints.append(f"it went on: {ended.out}")
        tap.case(f"{' '.join(map(str, arguments))} with {arm}", complaints)
    for arm, bytes_ in ((ARMS[0], 3000000), (ARMS[0], 48), (HEAP, 200000)):
        ended = run([program, "none", bytes_], library, env={"HAKMEM_ARM": arm})
        tap.case(f"a program without a mistake, with {arm} and {bytes_} bytes",
                 [] if ended.status == 0 and not ended.err else [ended.err])
    tap.end()


if __name__ == "__main__":
    main()
