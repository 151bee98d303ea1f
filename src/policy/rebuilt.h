/*
 * Policies survive rebuilds: sites that were learned of with another build of their module.
 *
 * A site's ID is made of the build-id, so after a rebuild none is met again. What a rebuild leaves as it was is where in
 * its function most calls stand. So a site that the policy does not know by its ID is looked for under its module,
 * function and offset in that; and when the function has changed, under module, function and the number of
 * the call. An offset in the module is of no use to another build, and never applied. What may be meant by two records,
 * or stands in one of two functions of the same name, is not matched.
 *
 * To find out the function, the module's file is read; only where the policy has records of another build of it. The
 * index over those is made once when a policy is loaded, hangs on the document, and is constant from then on.
 * What was found is in struct site (known_as, known_how); what was learned moves in the file (doc_move.c).
 */
#ifndef HAK_POLICY_REBUILT_H
#define HAK_POLICY_REBUILT_H

#include <stdatomic.h>

#include "policy/doc.h"
#include "policy/site.h"

enum known_how { KNOWN_NOT, KNOWN_BY_ID, KNOWN_BY_SYMBOL, KNOWN_BY_CALL, KNOWN_HOWS };

/* A function that a record is of, in the module that runs. */
struct policy_range {
    uintptr_t start; /* in the module */
    size_t bytes;
};

enum survey_state { SURVEY_NONE, SURVEY_BEGUN, SURVEY_DONE };

/* A module that the policy has sites of. */
struct policy_module {
    uint64_t hash;                   /* of its name; 0: no module */
    const struct policy_site *first; /* has its name, and the build-id of one build */
    bool several;                    /* there are sites of other builds too */
    _Atomic uint8_t survey;          /* enum survey_state: of what the rebuild changed */
    unsigned nr_ranges;              /* when that is done: the functions that are worth a look */
    struct policy_range *range;
};

enum { INDEX_PATH_BYTES = 160 };

struct policy_index {
    char path[INDEX_PATH_BYTES]; /* of the policy, for people: the end of it */
    char main_program
        [64];      /* the module's name of the main program: to ask for it is a system call */
    uint32_t mask; /* slots - 1 */
    struct policy_module *module;  /* open addressing */
    struct policy_site **function; /* chains by policy_site.next */
    struct policy_range *range;    /* of all modules: room for one a site */
    _Atomic unsigned nr_ranges;    /* that have been given away */
};

/* Makes doc->index. Where there is no memory for it, and where there is nothing to find, there is none. */
void rebuilt_index(struct policy_doc *doc, const char *path);

/* Sets what the document knows the site as, and how. May read files, and says a line on stderr when it is the first
 * site of a rebuilt module: no lock is held but that of saving. */
void rebuilt_recognise(struct policy_doc *doc, struct site *site);

/* ---- shared with survey.c ---- */

/* A place in the module as it is loaded, for which a record of another build is looked for. */
struct rebuilt_place {
    const struct policy_index *index;
    const char *module, *build_id;
    const struct os_symbol
        *symbol;       /* of `text` the function's part counts, and what is looked for by */
    uint64_t function; /* hash of module and function */
    size_t name_bytes; /* of the function's name in `text` */
};

/* The first of the records that may be of the function; the others by `next`. */
struct policy_site *rebuilt_first(const struct policy_index *index, uint64_t function);
uint64_t rebuilt_function_hash(const char *module, const char *name, size_t name_bytes);

/* Whether the record is of another build of the place's function. */
bool rebuilt_is_of(const struct policy_site *record, const struct rebuilt_place *place);

/* The one record for the place; NULL: none, or several. */
struct policy_site *rebuilt_find(const struct rebuilt_place *place, enum known_how *how);

/* Finds out which recorded calls of a rebuilt module are where they were, and says how much of what was learned of it
 * can be matched. `site` is one in it, `name` what it is called. */
void survey_module(struct policy_doc *doc, struct policy_module *module, const struct site *site,
                   const char *name);

#endif
