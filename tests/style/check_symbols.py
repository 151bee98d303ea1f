"""What the compiled core defines and asks for, object by object.

No object defines a libc name; only src/os asks the libc for the outside world; only the heap's file asks
for the libc's malloc. The preloaded library exports the malloc family and hak_*, and nothing else.

This check reads binaries: HAK_CORE names the core's static library, HAK_LIBRARY the shared one.
"""

import os
import re
import subprocess

MALLOC = {
    "malloc", "calloc", "realloc", "reallocarray", "free", "free_sized", "free_aligned_sized", "cfree",
    "posix_memalign", "aligned_alloc", "memalign", "valloc", "pvalloc", "malloc_usable_size", "malloc_trim",
    "mallinfo", "mallinfo2", "malloc_info", "malloc_stats", "mallopt"}
# What may stay the C library's: it is about its heap, which is also hakmem's, or is in no header any more.
OF_THE_LIBC = {"malloc_info", "malloc_stats", "mallopt", "cfree"}
# Calls that allocate behind the caller's back would come back to the allocator they are made from.
ALLOCATING = {"strdup", "strndup", "asprintf", "vasprintf", "getline", "fopen", "fdopen", "opendir",
              "qsort", "setlocale", "realpath", "getcwd", "popen"}
OUTSIDE = {
    "mmap", "mmap64", "munmap", "mprotect", "mremap", "madvise", "process_madvise", "mincore", "brk", "sbrk",
    "clock_gettime", "gettimeofday", "time", "getrusage", "getrlimit", "getrlimit64", "prlimit", "sysconf",
    "getenv", "secure_getenv", "getauxval", "environ", "__environ", "syscall", "uname", "getpid",
    "open", "open64", "openat", "openat64", "close", "read", "write", "pread", "pwrite", "pread64", "pwrite64",
    "fsync", "fdatasync", "flock", "fcntl", "fcntl64", "rename", "unlink", "stat", "fstat", "lstat", "access",
    "readlink", "getcwd", "dl_iterate_phdr", "dladdr", "rand", "random", "getrandom",
    "printf", "fprintf", "vfprintf", "puts", "fputs", "fwrite", "perror", "stderr", "stdout"}
# Objects under src/ and what else they may ask for, with the reason.
EXCEPT = {
    "os/": OUTSIDE,  # that is what it is for
}
HEAP = re.compile(r"src/alloc/heap\w*\.c")
LINE = re.compile(r"^(?P<where>.*?):(?:[0-9a-f]+)? *(?P<kind>[A-Za-z]) (?P<name>\S+)$")
OBJECT = re.compile(r"(?:^|[:/])(?:src_)?(?P<layer>[a-z]+)_(?P<file>\w+)\.c\.o")


def nm(*arguments):
    return subprocess.run(["nm", *arguments], stdout=subprocess.PIPE, check=True, text=True).stdout


def objects(listing):
    """(source below src/, kind, name) of each symbol in nm's listing with file names"""
    for line in listing.splitlines():
        match = LINE.match(line.rstrip())
        if not match:
            continue
        where = OBJECT.search(match["where"])
        source = f"{where['layer']}/{where['file']}.c" if where else match["where"]
        yield source, match["kind"], match["name"].split("@")[0]


def complaints_of_core(listing):
    complaints, sources = [], set()
    for source, kind, name in objects(listing):
        sources.add(source)
        if kind != "U" and kind.isupper() and name in MALLOC:
            complaints.append(f"{source} defines {name}")
        if kind != "U":
            continue
        if name in MALLOC | ALLOCATING and not HEAP.fullmatch("src/" + source) and not (
                name in OUTSIDE and source.startswith("os/")):
            complaints.append(f"{source} asks the libc for {name}")
        elif name in OUTSIDE and not any(source.startswith(p) and name in names
                                         for p, names in EXCEPT.items()):
            complaints.append(f"{source} asks for {name}, which is for src/os")
    if len(sources) < 8:
        complaints.append(f"{len(sources)} objects in the core's library: nothing was checked")
    return complaints


def complaints_of_library(listing):
    complaints, exported = [], set()
    for line in listing.splitlines():
        kind, name = line.split()[-2:]
        exported.add(name.split("@")[0])
    for name in sorted(exported - MALLOC):
        if not name.startswith("hak_") and not name.startswith("_Z"):
            complaints.append(f"the library exports {name}")
    for name in sorted(MALLOC - OF_THE_LIBC - exported):
        complaints.append(f"the library lacks {name}")
    for name in ("hak_malloc", "hak_policy_load", "hak_stats", "hak_version"):
        if name not in exported:
            complaints.append(f"the library lacks {name}")
    return complaints


def listings():
    core = nm("-A", os.environ["HAK_CORE"])
    library = nm("-D", "--defined-only", os.environ["HAK_LIBRARY"])
    return core, library


def check(tree):
    core, library = tree.get("nm core"), tree.get("nm library")
    if core is None:
        core, library = listings()
    return complaints_of_core(core) + complaints_of_library(library)


def planted(tree):
    core, library = listings()
    def with_core(line):
        return {"nm core": core + f"libhakmem_core.a:{line}\n", "nm library": library}
    return {
        "a libc name in the core": with_core("alloc_alloc.c.o:0000000000000000 T malloc"),
        "a system call outside os": with_core("policy_policy.c.o:                 U madvise"),
        "a clock outside os": with_core("alloc_alloc.c.o:                 U clock_gettime"),
        "an allocation by the libc": with_core("policy_doc.c.o:                 U strdup"),
        "an empty library": {"nm core": "", "nm library": library},
        "a stray export": {"nm core": core, "nm library": library + "0000000000001000 T stray\n"},
        "a missing entry": {"nm core": core, "nm library": library.replace(" memalign", " hak_no")},
    }
