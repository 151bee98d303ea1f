/*
 * Objects of the policy format as tables of rows, one for each key: what may be there, what must be, how it is
 * read and within which range. A key that has no row is an error, since a typing mistake in a reviewed file
 * must not pass for a default. Only doc_parse.c uses this.
 */
#ifndef HAK_POLICY_DOC_FIELDS_H
#define HAK_POLICY_DOC_FIELDS_H

#include "policy/json.h"

struct reader {
    struct json json;
    struct policy_doc *doc;
    struct site_order *order; /* the sites as the file lists them */
    bool rising;              /* their ids rose so far, so that they need no sorting */
    bool out_of_memory;
};

struct row;
typedef bool row_reader(struct reader *r, int node, const struct row *row, void *target);

/* One key of an object. The reader gets the object's target moved on by `offset`. */
struct row {
    const char *key;
    row_reader *read;
    size_t offset, bytes; /* bytes 0: a number or text for people, checked and dropped */
    int64_t low;          /* range of numbers */
    uint64_t high;
    bool required;
};

/* Rows of structs that are X-macros of numbers. */
#define ANY_NUMBER_ROW(of, name, low_, high_, key_, required_)                                     \
    {.key = (key_),                                                                                \
     .read = read_integer,                                                                         \
     .offset = offsetof(struct of, name),                                                          \
     .bytes = sizeof(((struct of *)0)->name),                                                      \
     .low = (low_),                                                                                \
     .high = (high_),                                                                              \
     .required = (required_)},
#define NUMBER_ROW(of, name, low_, high_, key_) ANY_NUMBER_ROW(of, name, low_, high_, key_, true)
#define TEXT_ROW(of, name, reader_)                                                                \
    {                                                                                              \
        .key = #name, .read = (reader_), .offset = offsetof(struct of, name),                      \
        .bytes = sizeof(((struct of *)0)->name)                                                    \
    }
#define PEOPLE_NUMBER_ROW(name, low_, high_)                                                       \
    {                                                                                              \
        .key = #name, .read = read_integer, .low = (low_), .high = (high_)                         \
    }

enum { ROWS_MAX = 32 };

/* An object by its rows. All readers return false with the error filled in. */
bool read_object(struct reader *r, int node, const struct row *rows, unsigned n, void *target);

row_reader read_integer;     /* 1, 4 or 8 bytes */
row_reader read_text;        /* printable, into `bytes` bytes */
row_reader read_call;        /* int32_t */
row_reader read_arm;         /* uint8_t */
row_reader read_arm_or_null; /* uint8_t; null is ARM_NONE */
row_reader read_goal;        /* enum policy_goal */
row_reader read_state;       /* uint32_t, enum elo_state */
row_reader read_site_id;     /* uint64_t */
row_reader read_offset;      /* uint64_t */
row_reader read_build_id;
row_reader read_thp;
row_reader read_page_size; /* uint64_t, a power of two or 0 */
row_reader read_gaps;      /* row->high of uint64_t; those that are not there are 0 */
row_reader read_away;      /* struct policy_away, by enum arm_pages */

/* For a piece of the document at `node` there was no memory, or (ENOSPC) no room. False. */
bool read_no_memory(struct reader *r, int node);

#endif
