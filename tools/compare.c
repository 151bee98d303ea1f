/*
 * hakmem compare: one program under several allocators, so that the figures can be believed.
 *
 * Machines drift by tens of per cent within minutes. So the variants are interleaved and rotated
 * (A B C, B C A, C A B), memory is warmed before every run, ratios are formed against the system's
 * malloc within the same minutes, and a ratio of medians whose 95 % intervals overlap is called a draw. Which allocator
 * was in the process is looked up in the process: a variant that was not is an error and no row.
 */
#include "commands.h"
#include "compare.h"
#include "launch.h"
#include "library.h"
#include "peers.h"
#include "warm.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/bits.h"
#include "os/os.h"
#include "policy/arms.h"

enum { PEERS_MAX = 16, VARIANTS_MAX = 4 + ARM_COUNT + 2 * PEERS_MAX };

static const char default_arms[] =
    "mmap/huge/touch/keep,mmap/huge/touch/drop,mmap/base/touch/keep,mmap/base/touch/drop";

/* What was asked for. */
struct request {
    const char *runs, *warm_gib, *policy, *arms, *with;
    bool no_warm, json;
    const char *peers[PEERS_MAX];
    size_t peer_count;
};

static struct compare_variant *add_variant(struct compare *c, const char *name, const char *library)
{
    struct compare_variant *v = &c->variants[c->variant_count++];
    *v = (struct compare_variant){.name = name, .library = library};
    return v;
}

static struct compare_variant *add_hakmem(struct compare *c, const char *name, const char *library,
                                          const char *mode)
{
    struct compare_variant *v = add_variant(c, name, library);
    v->is_hakmem = true;
    v->variables[0][0] = "HAKMEM_MODE";
    v->variables[0][1] = mode;
    return v;
}

static void add_arm(struct compare *c, const char *library, enum arm_id arm)
{
    struct compare_variant *v = add_hakmem(c, arms[arm].name, library, "frozen");
    v->variables[1][0] = "HAKMEM_ARM";
    v->variables[1][1] = arms[arm].name;
}

/* The 24 arms, of which those that would do the same thing here are run once. */
static void add_all_arms(struct compare *c, const char *library)
{
    static char notes[ARM_COUNT][40];
    uint8_t played_as[ARM_COUNT];
    struct os_machine machine;
    const char *kill = getenv("HAKO_HAKMEM_LARGE_MMAP");

    os->machine(&machine);
    bool spans = HAK_LARGE_MMAP && (kill == NULL || strcmp(kill, "0") != 0);
    struct arm_abilities can = {
        .huge_pages = machine.huge_bytes != 0,
        .heap = 1,
        .heap_pages = spans,
        .heap_huge_pages = machine.huge_bytes != 0 && machine.huge_bytes <= HEAP_HUGE_PAGE_BYTES,
        .mmap = spans,
        .lazy = 1,
        .prefault = 1,
    };
    arm_pool(&can, played_as);
    for (int i = 0; i < ARM_COUNT; i++) {
        add_arm(c, library, (enum arm_id)i);
        struct compare_variant *v = &c->variants[c->variant_count - 1];
        if (played_as[i] == ARM_NONE) {
            v->note = "masked";
        } else if (played_as[i] != i) {
            snprintf(notes[i], sizeof(notes[i]), "= %s", arms[played_as[i]].name);
            v->note = notes[i];
        }
    }
}

/* Adds the arms of a comma-separated list; false after one line on stderr. */
static bool add_arms(struct compare *c, const char *library, const char *list)
{
    char word[64];

    if (strcmp(list, "all") == 0) {
        add_all_arms(c, library);
        return true;
    }
    if (strcmp(list, "none") == 0)
        return true;
    for (const char *at = list; at != NULL; at = strchr(at, ','), at += at != NULL) {
        snprintf(word, sizeof(word), "%.*s", (int)strcspn(at, ","), at);
        enum arm_id arm = arm_by_name(word);
        if (arm == ARM_NONE) {
            tool_usage("compare",
                       "--arms: expected all, none or names as mmap/huge/touch/keep, got '%s'",
                       word);
            return false;
        }
        for (size_t i = 0; i < c->variant_count; i++)
            if (c->variants[i].name == arms[arm].name) {
                tool_usage("compare", "--arms: '%s' is there twice", word);
                return false;
            }
        add_arm(c, library, arm);
    }
    return true;
}

static bool is_taken(const struct compare *c, const char *name)
{
    for (size_t i = 0; i < c->variant_count; i++)
        if (strcmp(c->variants[i].name, name) == 0)
            return true;
    return false;
}

/* NAME=PATH.so; a PATH without a slash is left to the loader. False after one line on stderr. */
static bool add_peer(struct compare *c, const char *peer)
{
    const char *path = strchr(peer, '=');

    if (path == NULL || path == peer || path[1] == '\0') {
        tool_usage("compare", "--peer: expected NAME=PATH.so, got '%s'", peer);
        return false;
    }
    char *name = strndup(peer, (size_t)(path - peer));
    char *library = strchr(path, '/') == NULL ? strdup(path + 1) : realpath(path + 1, NULL);
    if (library == NULL || name == NULL) {
        tool_usage("compare", "--peer %s: %s", peer, strerror(errno));
        return false;
    }
    if (is_taken(c, name)) {
        tool_usage("compare", "--peer: the name '%s' is taken", name);
        return false;
    }
    add_variant(c, name, library);
    return true;
}

static void add_installed(struct compare *c)
{
    for (const struct peer *p = peers; p->name != NULL; p++) {
        char *library = peer_find(p);
        if (library != NULL && !is_taken(c, p->name))
            add_variant(c, p->name, library);
    }
}

/* Adds the allocators of a comma-separated list; false after one line on stderr. */
static bool add_with(struct compare *c, const char *list)
{
    char word[64];

    if (strcmp(list, "installed") == 0) {
        add_installed(c);
        return true;
    }
    for (const char *at = list; at != NULL; at = strchr(at, ','), at += at != NULL) {
        snprintf(word, sizeof(word), "%.*s", (int)strcspn(at, ","), at);
        const struct peer *peer = peer_by_name(word);
        char *library = peer != NULL ? peer_find(peer) : NULL;
        if (library == NULL || is_taken(c, peer->name)) {
            tool_usage(
                "compare",
                peer == NULL ? "--with: expected installed or names out of %s, got '%s'"
                : library == NULL
                    ? "--with: of %s, '%s' is not installed where the loader looks; see --peer"
                    : "--with: of %s, '%s' is there twice",
                peer_names(), word);
            return false;
        }
        add_variant(c, peer->name, library);
    }
    return true;
}

/* What a policy was learned for. One that the library would refuse is none to compare: what it would play are the defaults. */
static bool goal_of(const char *policy, enum policy_goal *goal)
{
    struct policy_error error;
    struct policy_doc *doc = policy_file_read(policy, false, &error);
    if (doc == NULL) {
        tool_usage("compare", "--policy %s", error.text);
        return false;
    }
    *goal = doc->goal;
    policy_doc_free(doc);
    return true;
}

static int add_variants(struct compare *c, const struct request *r)
{
    add_variant(c, "system malloc", NULL);
    const char *library = tool_library_needed("compare");
    if (library == NULL)
        return TOOL_FAILED;
    add_hakmem(c, "all heap", library, "off");
    add_hakmem(c, "default", library, "frozen");
    if (!add_arms(c, library, r->arms))
        return TOOL_USAGE;
    if (r->policy != NULL) {
        struct compare_variant *v = add_hakmem(c, "learned", library, "frozen");
        v->variables[1][0] = "HAKMEM_POLICY";
        v->variables[1][1] = launch_path(r->policy);
        if (v->variables[1][1] == NULL || access(v->variables[1][1], R_OK) != 0)
            return tool_usage("compare", "--policy %s: %s", r->policy, strerror(errno));
        if (!goal_of(r->policy, &c->goal))
            return TOOL_USAGE;
    }
    for (size_t i = 0; i < r->peer_count; i++)
        if (!add_peer(c, r->peers[i]))
            return TOOL_USAGE;
    if (r->with != NULL && !add_with(c, r->with))
        return TOOL_USAGE;
    return TOOL_OK;
}

/* Whether the word is an option whose value is the word after it: "--runs" or "-n", but not "--runs=1". */
static bool takes_next(const struct arg *rows, const char *word)
{
    for (const struct arg *row = rows; row->name != NULL; row++) {
        bool by_letter = row->letter != 0 && word[1] == row->letter && word[2] == '\0';
        bool by_name = strncmp(word, "--", 2) == 0 && strcmp(word + 2, row->name) == 0;
        if (row->text != NULL && (by_letter || by_name))
            return true;
    }
    return false;
}

/*
 * Takes each --peer and its value out of argv: it is the one option that may come again. Stops at
 * the program, which is the first word that is neither an option nor the value of one.
 */
static int take_peers(int *argc, char **argv, const struct arg *rows, struct request *r)
{
    int kept = 1, at = 1;

    while (at < *argc && argv[at][0] == '-' && argv[at][1] != '\0' && strcmp(argv[at], "--") != 0) {
        bool alone = strcmp(argv[at], "--peer") == 0;
        if (alone || strncmp(argv[at], "--peer=", strlen("--peer=")) == 0) {
            const char *value = alone ? argv[at + 1] : argv[at] + strlen("--peer=");
            if (value == NULL)
                return tool_usage("compare", "--peer: expected NAME=PATH.so after it, got nothing");
            if (r->peer_count == PEERS_MAX)
                return tool_usage("compare", "--peer: at most %d of them", PEERS_MAX);
            r->peers[r->peer_count++] = value;
            at += alone ? 2 : 1;
            continue;
        }
        bool has_value = takes_next(rows, argv[at]);
        argv[kept++] = argv[at++];
        if (has_value && at < *argc)
            argv[kept++] = argv[at++];
    }
    while (at < *argc)
        argv[kept++] = argv[at++];
    argv[kept] = NULL;
    *argc = kept;
    return TOOL_OK;
}

static int parse_warm(const struct request *r, double *gib)
{
    char *end = NULL;

    *gib = warm_default_gib();
    if (r->warm_gib != NULL) {
        *gib = strtod(r->warm_gib, &end);
        if (end == r->warm_gib || *end != '\0' || !isfinite(*gib) || *gib < 0 || *gib > 1024)
            return tool_usage("compare", "--warm-gib: expected a number from 0 to 1024, got '%s'",
                              r->warm_gib);
    }
    if (r->no_warm)
        *gib = 0;
    return TOOL_OK;
}

/* hakmem-bench is asked for JSON: its own clock around a round says more than the process's life. */
static bool prepare_command(struct compare *c, const struct operands *operands)
{
    const char *base = strrchr(operands->word[0], '/');
    bool has_json = false;

    c->command = calloc((size_t)operands->count + 2, sizeof(*c->command));
    if (c->command == NULL)
        return false;
    for (int i = 0; i < operands->count; i++) {
        c->command[i] = operands->word[i];
        has_json |= strcmp(operands->word[i], "--json") == 0;
    }
    base = base == NULL ? operands->word[0] : base + 1;
    c->is_bench = strcmp(base, "hakmem-bench") == 0;
    if (c->is_bench && !has_json) {
        static char json_option[] = "--json";
        c->command[operands->count] = json_option;
    }
    return true;
}

static void show_progress(const struct compare *c, unsigned run, const struct compare_variant *v)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[Krun %u of %u: %s", run + 1, c->runs, v->name);
}

/* One run of one variant; false: nothing can be run at all, *status says what to end with. */
static bool measure(struct compare *c, struct compare_variant *v, unsigned run, int *status)
{
    int why = TOOL_OK;

    if (v->note != NULL || v->failure != NULL)
        return true;
    show_progress(c, run, v);
    if (c->warm_gib > 0 && warm_in_child(c->warm_gib) != 0) {
        tool_say("compare", "memory could not be warmed: no %.2f GiB to be had; see --warm-gib",
                 c->warm_gib);
        c->warm_gib = 0;
    }
    if (compare_run_once(c, v, &v->samples[v->sample_count], &why)) {
        v->sample_count++;
        return true;
    }
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    tool_say("compare", "%s: %s", v->name, v->failure);
    *status = why;
    return why == TOOL_NO && v != &c->variants[0]; /* without the system's malloc no ratio */
}

static int measure_all(struct compare *c)
{
    int status = TOOL_OK;

    for (size_t i = 0; i < c->variant_count; i++) {
        c->variants[i].samples = calloc(c->runs, sizeof(*c->variants[i].samples));
        if (c->variants[i].samples == NULL)
            return tool_failed("compare", "not enough memory");
    }
    const char *temporary = getenv("TMPDIR");
    if (temporary == NULL || temporary[0] != '/' || strlen(temporary) > sizeof(c->directory) / 2)
        temporary = "/tmp";
    snprintf(c->directory, sizeof(c->directory), "%s/hakmem-compare-XXXXXX", temporary);
    if (mkdtemp(c->directory) == NULL)
        return tool_failed("compare", "%s: %s", c->directory, strerror(errno));
    /* The first run of all reads the program and its files from the disk, for all that follow: it counts for none. */
    bool go_on = measure(c, &c->variants[0], 0, &status);
    c->variants[0].sample_count = 0;
    for (unsigned run = 0; run < c->runs && go_on; run++)
        for (size_t i = 0; i < c->variant_count && go_on; i++)
            go_on = measure(c, &c->variants[(run + i) % c->variant_count], run, &status);
    rmdir(c->directory);
    if (go_on && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    if (!go_on)
        c->variant_count = 0;
    return status;
}

static int compare(const struct request *r, struct compare *c, const struct operands *operands)
{
    uint64_t runs = 10;
    int status;

    if (operands->count == 0)
        return tool_usage("compare", "expected a program to run, got nothing");
    if (r->runs != NULL && !args_number("compare", "--runs", r->runs, 1, 1000, &runs))
        return TOOL_USAGE;
    c->runs = (unsigned)runs;
    if ((status = parse_warm(r, &c->warm_gib)) != TOOL_OK)
        return status;
    if ((status = add_variants(c, r)) != TOOL_OK)
        return status;
    if (!prepare_command(c, operands))
        return tool_failed("compare", "not enough memory");
    status = measure_all(c);
    if (c->variant_count == 0)
        return status;
    if (r->json)
        compare_report_json(c);
    else
        compare_report_text(c);
    return status;
}

int cmd_compare(int argc, char **argv)
{
    static struct compare_variant variants[VARIANTS_MAX];
    struct request r = {.arms = default_arms};
    struct compare c = {.variants = variants, .goal = GOAL_BALANCED};
    const char *unused = NULL; /* take_peers() has them all */
    const struct arg rows[] = {
        {'n', "runs", "N", "runs of each variant, 1 to 1000 (10)", &r.runs, NULL},
        {'p', "policy", "FILE", "adds the variant 'learned': this policy, frozen", &r.policy, NULL},
        {'a', "arms", "LIST", "fixed arms by name, with commas between; all; none", &r.arms, NULL},
        {'w', "with", "LIST",
         "other allocators by name, with commas between; installed: all there are", &r.with, NULL},
        {0, "peer", "NAME=FILE", "another allocator's library; may come again", &unused, NULL},
        {0, "warm-gib", "GIB", "so much memory is warmed before each run instead", &r.warm_gib,
         NULL},
        {0, "no-warm", NULL, "do not warm memory", NULL, &r.no_warm},
        {0, "json", NULL, "one object a line: runs, summaries, verdict", NULL, &r.json},
        {0, NULL, NULL, NULL, NULL, NULL},
    };
    struct operands operands;
    int status = take_peers(&argc, argv, rows, &r);

    if (status != TOOL_OK)
        return status;
    if (!args_parse(argc, argv, rows, ARGS_THEN_COMMAND, &operands, &status))
        return status;
    if (unused != NULL)
        return tool_usage("compare", "--peer %s: expected it before the program", unused);
    return compare(&r, &c, &operands);
}
