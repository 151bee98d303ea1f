#include "fake_os.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANY_KIND = FAKE_KINDS, NO_KIND, PIECES = 16384, REAL_PAGE = 4096 };

struct fake fake;

struct piece {
    uintptr_t address;
    size_t bytes;
    enum os_advice advice;
};

static struct {
    pthread_mutex_t mutex;
    pthread_t thread; /* whose clock readings are counted */
    const char *name[FAKE_VARIABLES], *value[FAKE_VARIABLES];
    unsigned nr_variables;
    unsigned kind, at, seen; /* the call that fails */
    bool always, has_failed;
    int failure;
    struct piece piece[PIECES]; /* what was advised, vectors piece by piece */
    unsigned nr_pieces;
} state = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- what fails, and what is recorded ---- */

/* 0, or -errno: this call is the one that fails. */
static int fault_of(enum fake_kind kind)
{
    int status = 0;
    pthread_mutex_lock(&state.mutex);
    if ((unsigned)kind == state.kind || state.kind == ANY_KIND) {
        if (state.always || state.seen == state.at) {
            state.has_failed = true;
            status = -state.failure;
        }
        state.seen++;
    }
    pthread_mutex_unlock(&state.mutex);
    return status;
}

static void note(struct fake_record record)
{
    pthread_mutex_lock(&state.mutex);
    if (fake.nr_records < FAKE_RECORDS)
        fake.record[fake.nr_records] = record;
    fake.nr_records++;
    pthread_mutex_unlock(&state.mutex);
}

static int note_call(enum fake_kind kind, const void *p, size_t bytes, int status)
{
    note((struct fake_record){
        .kind = kind, .address = (uintptr_t)p, .bytes = bytes, .pieces = 1, .status = status});
    return status;
}

static void note_piece(const void *p, size_t bytes, enum os_advice advice)
{
    pthread_mutex_lock(&state.mutex);
    if (state.nr_pieces < PIECES)
        state.piece[state.nr_pieces++] = (struct piece){(uintptr_t)p, bytes, advice};
    pthread_mutex_unlock(&state.mutex);
}

/* ---- memory ---- */

/* The kernel rounds lengths up, but refuses addresses that are no multiple of a page: nobody may ask that of it. */
static void want_a_page(const char *call, const void *p)
{
    if ((uintptr_t)p % fake.machine.page_bytes == 0)
        return;
    fprintf(stderr, "%s at %p: pages are of %zu bytes\n", call, p, fake.machine.page_bytes);
    abort();
}

/* Where the test's pages are larger than the machine's, what is in front of the first whole one is never given back. */
static void *give(enum fake_kind kind, void *(*real)(size_t), size_t bytes)
{
    int status = fault_of(kind);
    size_t page = fake.machine.page_bytes, more = page > REAL_PAGE ? page : 0;
    char *p = status == 0 ? real(bytes + more) : NULL;
    if (p != NULL && more != 0)
        p += -(uintptr_t)p & (page - 1);
    if (status != 0)
        errno = -status;
    note_call(kind, p, bytes, p != NULL ? 0 : -errno);
    return p;
}

static void *fake_reserve(size_t bytes)
{
    return give(FAKE_RESERVE, os_linux.reserve, bytes);
}

static void *fake_reserve_zeros(size_t bytes)
{
    return give(FAKE_RESERVE_ZEROS, os_linux.reserve_zeros, bytes);
}

static void *fake_map(size_t bytes)
{
    void *p = give(FAKE_MAP, os_linux.map, bytes);
    if (p != NULL)
        fake.map_bytes += bytes;
    return p;
}

static int fake_commit(void *p, size_t bytes)
{
    want_a_page("commit", p);
    int status = fault_of(FAKE_COMMIT);
    return note_call(FAKE_COMMIT, p, bytes, status != 0 ? status : os_linux.commit(p, bytes));
}

static bool is_mapped_by_map(const void *p, size_t bytes)
{
    for (unsigned i = 0; i < fake.nr_records && i < FAKE_RECORDS; i++)
        if (fake.record[i].kind == FAKE_MAP && fake.record[i].address == (uintptr_t)p &&
            fake.record[i].bytes == bytes)
            return true;
    return false;
}

static void fake_release(void *p, size_t bytes)
{
    want_a_page("release", p);
    if (is_mapped_by_map(p, bytes))
        fake.map_bytes -= bytes;
    note_call(FAKE_RELEASE, p, bytes, 0);
    os_linux.release(p, bytes);
}

static int fake_renew(void *p, size_t bytes)
{
    want_a_page("renew", p);
    int status = fault_of(FAKE_RENEW);
    return note_call(FAKE_RENEW, p, bytes, status != 0 ? status : os_linux.renew(p, bytes));
}

static int fake_move(void *from, void *to, size_t bytes)
{
    want_a_page("move", from);
    int status = fault_of(FAKE_MOVE);
    if (status == 0)
        status = os_linux.move(from, to, bytes);
    note((struct fake_record){.kind = FAKE_MOVE,
                              .address = (uintptr_t)from,
                              .to = (uintptr_t)to,
                              .bytes = bytes,
                              .pieces = 1,
                              .status = status});
    return status;
}

static int fake_advise(void *p, size_t bytes, enum os_advice advice)
{
    want_a_page("advise", p);
    int status = fault_of(FAKE_ADVISE);
    if (status == 0)
        status =
            fake.refused[advice] != 0 ? -fake.refused[advice] : os_linux.advise(p, bytes, advice);
    if (status == 0)
        note_piece(p, bytes, advice);
    note((struct fake_record){.kind = FAKE_ADVISE,
                              .address = (uintptr_t)p,
                              .bytes = bytes,
                              .pieces = 1,
                              .advice = advice,
                              .status = status});
    return status;
}

static int fake_advise_many(const struct iovec *v, size_t n, enum os_advice advice)
{
    size_t bytes = 0;
    int status = fault_of(FAKE_ADVISE_MANY);
    if (status == 0 && fake.vector_refused)
        status = -ENOSYS;
    for (size_t i = 0; i < n; i++) {
        want_a_page("advise_many", v[i].iov_base);
        bytes += v[i].iov_len;
        if (status == 0)
            status = os_linux.advise(v[i].iov_base, v[i].iov_len, advice);
        if (status == 0)
            note_piece(v[i].iov_base, v[i].iov_len, advice);
    }
    note((struct fake_record){.kind = FAKE_ADVISE_MANY,
                              .address = (uintptr_t)v[0].iov_base,
                              .bytes = bytes,
                              .pieces = n,
                              .advice = advice,
                              .status = status});
    return status;
}

static int fake_residency(const void *p, size_t bytes, unsigned char *vec)
{
    size_t pages = bytes / fake.machine.page_bytes, each = fake.machine.page_bytes / REAL_PAGE;
    if (fault_of(FAKE_RESIDENCY) != 0 || fake.never_resident)
        return -ENOMEM;
    if (fake.all_resident) {
        memset(vec, 1, pages);
        return 0;
    }
    if (each == 1)
        return os_linux.residency(p, bytes, vec);
    for (size_t i = 0; i < pages; i++) {
        unsigned char real[16] = {0};
        int status = os_linux.residency((const char *)p + i * fake.machine.page_bytes,
                                        fake.machine.page_bytes, real);
        if (status != 0)
            return status;
        vec[i] = 0;
        for (size_t j = 0; j < each; j++)
            vec[i] |= real[j] & 1;
    }
    return 0;
}

/* ---- clock, environment, machine, modules ---- */

static uint64_t fake_now_ns(void)
{
    pthread_mutex_lock(&state.mutex);
    uint64_t now = fake.now_ns += fake.tick_ns;
    if (pthread_equal(pthread_self(), state.thread))
        fake.clock_reads++;
    pthread_mutex_unlock(&state.mutex);
    return now;
}

static uint64_t fake_thread_cpu_ns(void)
{
    static _Atomic uint64_t used_ns;
    return fake.cpu_tick_ns == 0 ? fake_now_ns() : atomic_fetch_add(&used_ns, fake.cpu_tick_ns);
}

static uint64_t fake_random(void)
{
    return fake.random;
}

static const char *fake_getenv(const char *name)
{
    for (unsigned i = 0; i < state.nr_variables; i++)
        if (strcmp(state.name[i], name) == 0)
            return state.value[i];
    return NULL;
}

static void fake_machine(struct os_machine *out)
{
    *out = fake.machine;
}

static void fake_names(struct os_names *out)
{
    *out = (struct os_names){.cpu = "processor of a test", .kernel = "6.1.0-test"};
}

static bool fake_module_of(uintptr_t pc, struct os_module *out)
{
    if (fake.nr_modules == 0)
        return os_linux.module_of(pc, out);
    for (unsigned i = 0; i < fake.nr_modules; i++) {
        if (pc < fake.module[i].low || pc >= fake.module[i].high)
            continue;
        *out = fake.module[i].is;
        return true;
    }
    return false;
}

static bool fake_symbol_of(uintptr_t pc, struct os_symbol *out)
{
    fake.symbol_looks++;
    if (fake.nr_modules == 0)
        return os_linux.symbol_of(pc, out);
    *out = (struct os_symbol){.call = -1};
    for (unsigned i = 0; i < fake.nr_symbols; i++)
        if (fake.symbol[i].pc == pc)
            *out = fake.symbol[i].is;
    return out->text[0] != '\0';
}

/* The functions are those that have symbols. */
static bool fake_functions_of(uintptr_t pc, void (*visit)(const struct os_function *, void *),
                              void *context)
{
    struct os_module module, other;
    if (fake.nr_modules == 0)
        return os_linux.functions_of(pc, visit, context);
    if (!fake_module_of(pc, &module))
        return false;
    for (unsigned i = 0; i < fake.nr_symbols; i++) {
        const struct os_symbol *s = &fake.symbol[i].is;
        bool known = !fake_module_of(s->start, &other) || other.base != module.base;
        for (unsigned k = 0; k < i; k++)
            known |= fake.symbol[k].is.start == s->start;
        if (known)
            continue;
        char name[OS_SYMBOL_BYTES];
        strcpy(name, s->text);
        *strrchr(name, '+') = '\0';
        visit(&(struct os_function){name, s->start, s->bytes}, context);
    }
    return true;
}

static int32_t fake_call_of(uintptr_t start, uintptr_t pc, uintptr_t *goes_to)
{
    if (fake.nr_modules == 0)
        return os_linux.call_of(start, pc, goes_to);
    for (unsigned i = 0; i < fake.nr_symbols; i++) {
        if (fake.symbol[i].is.start != start || fake.symbol[i].pc != pc)
            continue;
        *goes_to = fake.symbol[i].goes_to;
        return fake.symbol[i].is.call;
    }
    return -1;
}

static bool fake_has_call(uintptr_t start, size_t bytes, int32_t number)
{
    if (fake.nr_modules == 0)
        return os_linux.has_call(start, bytes, number);
    for (unsigned i = 0; i < fake.nr_symbols; i++)
        if (fake.symbol[i].is.start == start && fake.symbol[i].is.call == number)
            return true;
    return false;
}

static uint32_t fake_depth_of(uintptr_t frame)
{
    return (uint32_t)(frame >> 4);
}

/* ---- the test's side ---- */

void fake_set(const char *name, const char *value)
{
    unsigned i = 0;
    while (i < state.nr_variables && strcmp(state.name[i], name) != 0)
        i++;
    if (i == FAKE_VARIABLES)
        abort();
    state.name[i] = name;
    state.value[i] = value;
    if (i == state.nr_variables)
        state.nr_variables++;
}

static void set_failure(unsigned kind, unsigned n, bool always, int failure)
{
    pthread_mutex_lock(&state.mutex);
    state.kind = kind;
    state.at = n;
    state.seen = 0;
    state.always = always;
    state.failure = failure;
    state.has_failed = false;
    pthread_mutex_unlock(&state.mutex);
}

void fake_fail(enum fake_kind kind, unsigned n, int failure)
{
    set_failure(kind, n, false, failure);
}

void fake_fail_any(unsigned n, int failure)
{
    set_failure(ANY_KIND, n, false, failure);
}

void fake_fail_always(enum fake_kind kind, int failure)
{
    set_failure(kind, 0, true, failure);
}

void fake_fail_never(void)
{
    state.kind = NO_KIND;
}

bool fake_has_failed(void)
{
    return state.has_failed;
}

void fake_forget(void)
{
    pthread_mutex_lock(&state.mutex);
    fake.nr_records = 0;
    state.nr_pieces = 0;
    pthread_mutex_unlock(&state.mutex);
}

static unsigned recorded(void)
{
    return fake.nr_records < FAKE_RECORDS ? fake.nr_records : FAKE_RECORDS;
}

unsigned fake_calls(void)
{
    return fake.nr_records;
}

unsigned fake_count(enum fake_kind kind)
{
    unsigned count = 0;
    for (unsigned i = 0; i < recorded(); i++)
        count += fake.record[i].kind == kind;
    return count;
}

unsigned fake_advised(enum os_advice advice)
{
    unsigned count = 0;
    for (unsigned i = 0; i < recorded(); i++)
        count += (fake.record[i].kind == FAKE_ADVISE || fake.record[i].kind == FAKE_ADVISE_MANY) &&
                 fake.record[i].advice == advice;
    return count;
}

bool fake_advised_at(const void *p, enum os_advice advice)
{
    bool found = false;
    pthread_mutex_lock(&state.mutex);
    for (unsigned i = 0; i < state.nr_pieces; i++)
        if (state.piece[i].advice == advice &&
            (uintptr_t)p - state.piece[i].address < state.piece[i].bytes)
            found = true;
    pthread_mutex_unlock(&state.mutex);
    return found;
}

const struct fake_record *fake_last(enum fake_kind kind)
{
    for (unsigned i = recorded(); i-- > 0;)
        if (fake.record[i].kind == kind)
            return &fake.record[i];
    return NULL;
}

static struct os fake_os;

void fake_start(void)
{
    fake_os = os_linux;
    fake_os.reserve = fake_reserve;
    fake_os.reserve_zeros = fake_reserve_zeros;
    fake_os.commit = fake_commit;
    fake_os.release = fake_release;
    fake_os.map = fake_map;
    fake_os.renew = fake_renew;
    fake_os.move = fake_move;
    fake_os.advise = fake_advise;
    fake_os.advise_many = fake_advise_many;
    fake_os.residency = fake_residency;
    fake_os.now_ns = fake_now_ns;
    fake_os.thread_cpu_ns = fake_thread_cpu_ns;
    fake_os.random = fake_random;
    fake_os.getenv = fake_getenv;
    fake_os.machine = fake_machine;
    fake_os.names = fake_names;
    fake_os.module_of = fake_module_of;
    fake_os.symbol_of = fake_symbol_of;
    fake_os.functions_of = fake_functions_of;
    fake_os.call_of = fake_call_of;
    fake_os.has_call = fake_has_call;
    fake_os.depth_of = fake_depth_of;

    memset(&fake, 0, sizeof(fake));
    fake.machine = (struct os_machine){.page_bytes = 4096,
                                       .huge_bytes = 2 << 20,
                                       .ram_bytes = (uint64_t)16 << 30,
                                       .cgroup_limit_bytes = UINT64_MAX,
                                       .address_limit_bytes = UINT64_MAX,
                                       .thp = "madvise"};
    fake.now_ns = 1;
    fake.random = 0x243f6a8885a308d3;
    state.thread = pthread_self();
    state.nr_variables = 0;
    state.nr_pieces = 0;
    fake_fail_never();
    fake_set("HAKMEM_ARENA_GB", "8");
    fake_set("HAKMEM_TIMER", "0");
    os = &fake_os;
}
