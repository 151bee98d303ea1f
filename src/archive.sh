#!/bin/sh
# archive.sh OUTPUT LD OBJCOPY AR ARCHIVE...: one archive of one object in which only what the shared library exports has a name that
# others see. A program that links it may have a `config` or an `arena` of its own.
set -eu
output=$1 ld=$2 objcopy=$3 ar=$4
shift 4
rm -f "$output" "$output.o"
"$ld" -r -o "$output.o" --whole-archive "$@"
"$objcopy" --localize-hidden "$output.o"
"$ar" rcs "$output" "$output.o"
rm -f "$output.o"
