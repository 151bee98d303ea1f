#!/usr/bin/env python3
"""programs.py [--runs N] [--learn N] [--with LIST] [--peer NAME=FILE]... [PROGRAM...]: the real programs of docs/results.md.

As results.py, with programs that were not written for it: a row gives CPU ms / peak resident MiB. Programs that are not installed
are left out, with a line that says so (Debian: python3-numpy imagemagick ffmpeg sqlite3 ruby z3).
"""

import os
import shutil
import sys
import tempfile

from table import Table, parser_of, summaries

NUMPY = """import numpy as np
a = np.arange(1500000, dtype=np.float64)
b = np.ones_like(a)
s = 0.0
for i in range(150):
    c = (a * 2.0 + b) * 0.5 - a / 3.0 + np.sqrt(b)
    s += float(c[i])
print(s)
"""
SQL = """create table t(a integer primary key, b text, c blob);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 150000)
  insert into t select i, 'row ' || i || ' of the table', randomblob(200) from n;
create index x on t(b);
select count(*), sum(length(c)) from t where b like 'row 1%';
update t set c = randomblob(300) where a % 3 = 0;
delete from t where a % 5 = 0;
select count(*) from t;
"""
RUBY = """class P; attr_accessor :a, :b; def initialize(a, b); @a = a; @b = b; end; end
x = []
300.times { |i| x = (0...4000).map { |j| P.new("s#{j}" * 4, [i, j, "t" * 40]) }; x.sort_by! { |p| p.a } }
puts x.size
"""
SMT = """(set-logic QF_BV)
(declare-const a (_ BitVec 32))
(declare-const b (_ BitVec 32))
(assert (= (bvmul a b) #x0ABCDEF1))
(assert (bvugt a #x00000001))
(assert (bvugt b #x00000001))
(assert (bvult a #x0000fff0))
(assert (bvult b #x0000fff0))
(check-sat)
"""

# name -> what it does, command; {} is the file that holds the text.
PROGRAMS = {
    "python3": ("numpy expressions on arrays of 12 MB", NUMPY, ["python3", "{}"]),
    "convert": ("a picture of 12 megapixels blurred, resized and saved", "",
                ["convert", "-limit", "thread", "1", "-seed", "1", "-size", "4000x3000", "plasma:", "-blur", "0x1", "-resize",
                 "50%", "png:/dev/null"]),
    "ffmpeg": ("40 frames of 3840x2160 scaled to 1920x1080", "",
               ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=3840x2160:rate=25", "-frames:v", "40",
                "-vf", "scale=1920:1080", "-f", "null", "-"]),
    "sqlite3": ("a table of 150,000 rows in memory", SQL, ["sqlite3", ":memory:", ".read {}"]),
    "ruby": ("1.2 million objects with strings and arrays", RUBY, ["ruby", "{}"]),
    "z3": ("a product of two bit vectors factorised", SMT, ["z3", "{}"]),
}


def main():
    parser = parser_of(__doc__)
    parser.add_argument("programs", nargs="*", default=list(PROGRAMS))
    options = parser.parse_args()
    table = Table("program", "peak_mib")
    os.environ["PATH"] = "/usr/bin:/bin"  # the system's python3, which has the system's numpy
    with tempfile.TemporaryDirectory() as directory:
        for name in options.programs:
            what, text, command = PROGRAMS[name]
            program = shutil.which(command[0])
            if program is None:
                print(f"{name} is not installed", file=sys.stderr)
                continue
            file = os.path.join(directory, name + ".input")
            with open(file, "w", encoding="utf-8") as out:
                out.write(text)
            command = [program, *(word.replace("{}", file) for word in command[1:])]
            table.put(f"`{name}`: {what}", summaries(options, command, os.path.join(directory, name + ".json")))


main()
