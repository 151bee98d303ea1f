#!/usr/bin/env python3
"""test_real.py LIBRARY OPERATORS: programs that people run print the same with and without the library.

Each runs plain, learning (twice into one policy), frozen with what was learned, and with the built-in policy.
OPERATORS is the C++ program with threads of tests/preload. A program that is not installed is skipped, and said so;
scripts/setup installs all of them.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from tap import Tap  # noqa: E402
from under import environment, run, statistics_of  # noqa: E402

# The distribution's own, which has its own modules.
PYTHON = "/usr/bin/python3"

NUMPY = """
import hashlib, json
import numpy as np
rng = np.random.default_rng(7)
a = rng.standard_normal((600, 600)); b = rng.standard_normal((600, 600))
for _ in range(4):
    a = np.tanh(a @ b / 25 + a.T)
    c = np.sort(a.ravel())[::-1].copy()
    d = np.concatenate([c, c * 2, np.zeros(100000)])
rows = [{"i": i, "text": "x" * (i % 700)} for i in range(4000)]
text = json.dumps(rows)
back = json.loads(text)
big = bytearray()
for i in range(300):
    big += bytes([i % 251]) * 40000
print(round(float(np.abs(a).sum()), 6), d.shape, len(text), back == rows, hashlib.sha256(big).hexdigest())
"""

SQL = """
create table t (id integer primary key, name text, data blob);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
insert into t select i, 'name ' || (i * 7919 % 20000), zeroblob(i % 300) from n;
insert into t values (100000, 'large', zeroblob(3000000));
create index by_name on t (name);
select count(*), sum(length(data)), max(length(data)) from t;
select name from t order by name desc limit 5;
select a.name, count(*) from t a join t b on a.id = b.id / 2 group by a.id % 7, a.name order by 2 desc, 1 limit 5;
select length(group_concat(name)) from t;
"""

PERL = r"""
my %words; my $text = join ' ', map { "word" . ($_ * 7919 % 5003) } 1 .. 60000;
$words{$_}++ for split / /, $text;
my $long = 'abc' x 400000; (my $copy = $long) =~ s/b/bb/g;
my @sorted = sort { $words{$b} <=> $words{$a} || $a cmp $b } keys %words;
print scalar(@sorted), " $sorted[0] $sorted[-1] ", length($copy), "\n";
"""

C_SOURCE = """
#include <stdio.h>
struct row { int a; double b[4]; const char *text; };
%s
int main(void) { double sum = 0; %s printf("%%f\\n", sum); return 0; }
"""


def c_program():
    """A file with a few hundred functions: work for a compiler."""
    functions = "\n".join(
        f"static double f{i}(struct row *r, int n) {{ double s = {i}; for (int i = 0; i < n; i++) "
        f"s += r[i % {3 + i % 5}].b[i & 3] * {i % 13}; return s / (n + 1.0); }}" for i in range(300))
    calls = "struct row r[8] = {{0}}; " + " ".join(f"sum += f{i}(r, {i % 50});" for i in range(300))
    return C_SOURCE % (functions, calls)


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def program_cases(directory):
    """name -> (needed command, function(library, env) -> what is to be the same)"""
    (directory / "arrays.py").write_text(NUMPY, encoding="utf-8")
    (directory / "perl.pl").write_text(PERL, encoding="utf-8")
    (directory / "big.c").write_text(c_program(), encoding="utf-8")

    def simple(command, stdin=None):
        def of(library, env):
            ended = run(command, library, env=env, cwd=directory, stdin=stdin, timeout=240)
            return ended.status, ended.out, ended.err
        return of

    def convert(library, env):
        target = directory / "out.rgb"
        target.unlink(missing_ok=True)
        # No dates and no compressor in what is compared: pixels.
        ended = run([magick, "-limit", "thread", "2", "-size", "1500x1100", "gradient:red-blue",
                     "-swirl", "90", "-resize", "900x700", "-rotate", "13", "-blur", "0x2", "-depth", "8",
                     f"rgb:{target}"], library, env=env, timeout=240)
        return ended.status, ended.out, ended.err, digest(target) if target.exists() else None

    def gcc(library, env):
        target = directory / "big.o"
        target.unlink(missing_ok=True)
        ended = run(["gcc", "-O2", "-c", "big.c", "-o", target], library, env=env, cwd=directory, timeout=240)
        return ended.status, ended.out, ended.err, digest(target) if target.exists() else None

    def git(library, env):
        repository = directory / "repository"
        shutil.rmtree(repository, ignore_errors=True)
        repository.mkdir()
        fixed = dict(env, GIT_AUTHOR_DATE="2020-01-01T00:00:00Z", GIT_COMMITTER_DATE="2020-01-01T00:00:00Z",
                     GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM=1, HOME=directory)
        said = []

        def call(*arguments):
            ended = run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0",
                         "-c", "init.defaultBranch=main", *arguments],
                        library, env=fixed, cwd=repository, timeout=120)
            said.append((ended.status, ended.out, ended.err))

        call("init", "-q")
        for turn in range(4):
            for i in range(30):
                (repository / f"file{i}").write_text(f"line {i * turn}\n" * (200 + 900 * (i % 7)),
                                                     encoding="utf-8")
            (repository / "large").write_bytes(bytes((i * i + turn) % 256 for i in range(1 << 20)))
            call("add", "-A")
            call("commit", "-q", "-m", f"turn {turn}")
        call("log", "--stat", "--format=%H %s")
        call("diff", "HEAD~2", "HEAD")
        call("-c", "pack.threads=1", "repack", "-a", "-d", "-q")
        call("fsck", "--full")
        return said

    operators = os.path.abspath(sys.argv[2])
    magick = shutil.which("convert-im6.q16") or "/usr/bin/convert"
    numpy = run([PYTHON, "-c", "import numpy"]).status == 0 if os.path.exists(PYTHON) else False
    return {
        "python with numpy": (PYTHON if numpy else None, simple([PYTHON, "arrays.py"])),
        "ImageMagick": (magick if os.path.exists(magick) else None, convert),
        "sqlite3": (shutil.which("sqlite3"), simple(["sqlite3", ":memory:"], SQL.encode())),
        "gcc": (shutil.which("gcc"), gcc),
        "git": (shutil.which("git"), git),
        "perl": (shutil.which("perl"), simple(["perl", "perl.pl"])),
        "C++ with threads": (operators, simple([operators])),
        "redis": (shutil.which("redis-server") and shutil.which("redis-benchmark"), redis_in(directory)),
    }


@contextlib.contextmanager
def redis_server(library, env, directory, path):
    log = directory / "redis.log"
    with open(log, "wb") as out:
        server = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no",
             "--daemonize", "no", "--dir", str(directory)],
            env=environment(library, **env), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        wait_for_socket(server, path)
        yield server
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_for_socket(server, path, seconds=20):
    """Returns when the server answers; it has no other way to say that it is ready."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
                probe.sendall(b"PING\r\n")
                if probe.recv(16).startswith(b"+PONG"):
                    return
            except OSError:
                time.sleep(0.02)
    raise RuntimeError("redis-server did not come up")


def redis_in(directory):
    """Values of 1 MiB from redis-benchmark, while values are set, appended to, read back and compared."""
    def of(library, env):
        path = directory / "redis.socket"
        path.unlink(missing_ok=True)
        with redis_server(library, env, directory, path) as server:
            loaded = pathlib.Path(f"/proc/{server.pid}/maps").read_text(encoding="utf-8")
            if library and "libhakmem" not in loaded:
                return "the library is not in the server"
            benchmark = subprocess.run(
                ["redis-benchmark", "-s", str(path), "-d", "1048576", "-n", "300", "-c", "4", "-r", "30",
                 "-t", "set,get", "-q"], env=environment(), stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, timeout=240)
            said = [benchmark.returncode, b"SET:" in benchmark.stdout, b"GET:" in benchmark.stdout]
            said += redis_values(path)
        return said + [server.returncode]
    return of


def redis_values(path):
    """Digests of what the server gives back."""
    found = []
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
        f = s.makefile("rwb")

        def call(*words):
            f.write(b"*%d\r\n" % len(words))
            for word in words:
                f.write(b"$%d\r\n%s\r\n" % (len(word), word))
            f.flush()
            head = f.readline()
            if head[:1] != b"$" or head == b"$-1\r\n":
                return head
            return f.read(int(head[1:]) + 2)

        for i in range(12):
            call(b"SET", b"key%d" % i, bytes([i + 65]) * (1 << 20))
            call(b"APPEND", b"key%d" % i, bytes([i + 97]) * 700000)
            call(b"SETRANGE", b"key%d" % i, b"2500000", b"end")
        for i in range(0, 12, 3):
            found.append(call(b"DEL", b"key%d" % i))
        for i in range(12):
            found.append(hashlib.sha256(call(b"GET", b"key%d" % i)).hexdigest())
        found.append(call(b"FLUSHALL"))
    return found


def differences(got, plain):
    return [] if got == plain else [f"got   {repr(got)[:1500]}", f"plain {repr(plain)[:1500]}"]


def failures(ended):
    """A program that fails in the same way under any allocator shows nothing."""
    runs = ended if isinstance(ended, list) and isinstance(ended[0], tuple) else [ended]
    return [f"status {run[0]}: {run[1:]}" for run in runs if run[0] != 0]


def decided(policy):
    """Sites in a policy; a program without a large block has none, and then no file."""
    try:
        return len(json.loads(policy.read_text(encoding="utf-8"))["sites"])
    except FileNotFoundError:
        return 0


def main():
    library, wanted = sys.argv[1], sys.argv[3:]
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="hakmem-real-") as name:
        directory = pathlib.Path(name)
        for program, (there, of) in program_cases(directory).items():
            if wanted and program not in wanted:
                continue
            if not there:
                tap.case(program, skip="not installed")
                continue
            policy = directory / f"{program.split()[0]}.json"
            statistics = directory / f"{program.split()[0]}.statistics"

            def same(env, of=of):
                try:
                    return differences(of(library, env), plain)
                except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                    return [repr(error)]

            plain, again = of(None, {}), of(None, {})
            tap.case(f"{program}: plain runs go well and agree with each other",
                     failures(plain) + differences(again, plain))
            learn = {"HAKMEM_MODE": "learn", "HAKMEM_POLICY": policy}
            tap.case(f"{program}: learning", same(learn))
            tap.case(f"{program}: learning on", same(learn))
            sites = decided(policy)
            frozen = {"HAKMEM_POLICY": policy} if sites else {}
            tap.case(f"{program}: frozen, {sites} sites learned", same(frozen))
            tap.case(f"{program}: the built-in policy", same({"HAKMEM_STATS": statistics}))
            seen = statistics_of(statistics) if statistics.exists() else {}
            blocks = seen.get("mmap_allocs", 0) + seen.get("heap_allocs", 0)
            tap.case(f"{program}: it was under the library ({blocks} large blocks in its last process)",
                     [] if seen else ["no statistics were written"])
    tap.end()


if __name__ == "__main__":
    main()
