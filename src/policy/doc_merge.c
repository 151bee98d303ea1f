/*
 * Two documents into one. What was learned adds up; what only describes (machine, prices, names) is taken
 * where it was not known.
 */
#include "policy/doc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "policy/cost.h"

static bool goals_agree(const struct policy_doc *into, const struct policy_doc *from)
{
    return into->goal == from->goal || into->nr_sites == 0 || from->nr_sites == 0;
}

/* Creates in `into` what it has not, so that adding up cannot fail half way. */
static int make_room(struct policy_doc *into, const struct policy_doc *from)
{
    const bool *left_out = policy_doc_limit_contexts(into, from);
    if (left_out == NULL)
        return -errno;
    for (unsigned i = 0; i < from->nr_sites; i++) {
        const struct policy_site *f = from->site[i];
        if (left_out[i])
            continue;
        struct policy_site *s = policy_doc_site(into, f->id, true);
        if (s == NULL)
            return -errno;
        for (unsigned k = 0; k < f->nr_bands; k++)
            if (policy_site_band(into, s, f->band[k]->band, true) == NULL)
                return -errno;
    }
    return 0;
}

static void describe_site(struct policy_site *s, const struct policy_site *from)
{
    if (s->module[0] == '\0') {
        memcpy(s->module, from->module, sizeof(s->module));
        memcpy(s->build_id, from->build_id, sizeof(s->build_id));
        s->offset = from->offset;
        s->of = from->of;
        s->depth = from->depth;
    }
    s->to_split |= from->to_split;
    if (s->symbol[0] == '\0')
        memcpy(s->symbol, from->symbol, sizeof(s->symbol));
    if (s->call < 0 && strcmp(s->symbol, from->symbol) == 0)
        s->call = from->call;
}

static bool is_played(const struct policy_band *b)
{
    for (int i = 0; i < ARM_COUNT; i++)
        if (b->elo.arm[i].plays != 0)
            return true;
    return false;
}

/* An arm that stands for itself on one of two machines stands for itself, once both have played. */
static void merge_pools(struct policy_band *b, const struct policy_band *from)
{
    if (!is_played(b)) {
        memcpy(b->played_as, from->played_as, sizeof(b->played_as));
        return;
    }
    if (!is_played(from))
        return;
    for (int i = 0; i < ARM_COUNT; i++)
        if (from->played_as[i] == i || b->played_as[i] == ARM_NONE)
            b->played_as[i] = from->played_as[i];
}

/* `moved`: where to note by how much the ratings of `from` were moved; NULL: the two scales meet. */
static void merge_band(struct policy_band *b, const struct policy_band *from, int32_t *moved)
{
    merge_pools(b, from);
    b->elo.playable = policy_band_playable(b);
    if (moved != NULL)
        *moved = elo_merge_onto(&b->elo, &from->elo);
    else
        elo_merge(&b->elo, &from->elo);
    for (int i = 0; i < ARM_COUNT; i++)
        b->cost_sum_ns[i] = add_saturating(b->cost_sum_ns[i], from->cost_sum_ns[i]);
#define X(name, help) b->seen.name = add_saturating(b->seen.name, from->seen.name);
    POLICY_SEEN_FIELDS(X)
#undef X
    b->unmeasured = add_saturating(b->unmeasured, from->unmeasured);
    int champion = elo_champion(&b->elo);
    if (champion >= 0)
        b->champion = (uint8_t)champion;
    else if (b->champion == ARM_NONE)
        b->champion = from->champion;
}

static bool has_gaps(const struct policy_band *b)
{
    for (unsigned i = 0; i < GAP_CLASSES; i++)
        if (b->gaps[i] != 0)
            return true;
    return false;
}

/* By the gaps of both, where both have seen any; else as the one says that has, or is given it. */
static void merge_gaps(const struct policy_doc *doc, struct policy_band *b,
                       const struct policy_band *from)
{
    bool both = has_gaps(b) && has_gaps(from) && b->champion != ARM_NONE &&
                policy_calibration_known(&doc->calibration);
    if (has_gaps(from) ? !has_gaps(b) : b->keep_ms == 0)
        b->keep_ms = from->keep_ms;
    for (unsigned i = 0; i < GAP_CLASSES; i++)
        b->gaps[i] = add_saturating(b->gaps[i], from->gaps[i]);
    if (!both)
        return;
    struct prices prices = cost_prices_of(doc, &doc->calibration);
    b->keep_ms = cost_keep_ms(&prices, b, (enum arm_pages)arms[b->champion].pages);
}

static void merge_sites(struct policy_doc *into, const struct policy_doc *from, bool learned)
{
    for (unsigned i = 0; i < from->nr_sites; i++) {
        const struct policy_site *f = from->site[i];
        struct policy_site *s = policy_doc_site(into, f->id, false);
        if (s != NULL)
            describe_site(s, f);
        for (unsigned k = 0; k < f->nr_bands; k++) {
            f->band[k]->left_out = s == NULL; /* one context too many */
            if (s == NULL)
                continue;
            struct policy_band *band = policy_site_band(into, s, f->band[k]->band, false);
            merge_band(band, f->band[k], learned ? &f->band[k]->moved_q20 : NULL);
            merge_gaps(into, band, f->band[k]);
        }
    }
}

static int merge(struct policy_doc *into, const struct policy_doc *from, bool learned,
                 struct policy_error *error)
{
    error->text[0] = '\0';
    if (!goals_agree(into, from)) {
        snprintf(
            error->text, sizeof(error->text),
            "learned for different goals: %s and %s; ratings of one say nothing about the other",
            policy_goal_names[into->goal], policy_goal_names[from->goal]);
        return -EINVAL;
    }
    if (into->nr_sites == 0 && from->nr_sites > 0)
        into->goal = from->goal;
    policy_doc_move(into, from);
    int status = make_room(into, from);
    if (status != 0) {
        snprintf(error->text, sizeof(error->text), "no %s for the sites of both",
                 status == -ENOSPC ? "room" : "memory");
        return status;
    }
    if (!policy_machine_known(&into->machine))
        into->machine = from->machine;
    if (!policy_calibration_known(&into->calibration))
        into->calibration = from->calibration;
    for (unsigned i = 0; i < BAND_COUNT; i++)
        if (into->default_arm[i] == ARM_NONE)
            into->default_arm[i] = from->default_arm[i];
    for (int pages = PAGES_BASE; pages <= PAGES_HUGE; pages++)
        gaps_away_add(&into->away[pages], &from->away[pages]);
    merge_sites(into, from, learned);
    return 0;
}

int policy_doc_merge(struct policy_doc *into, const struct policy_doc *from,
                     struct policy_error *error)
{
    return merge(into, from, false, error);
}

int policy_doc_learn(struct policy_doc *into, struct policy_doc *delta, struct policy_error *error)
{
    return merge(into, delta, true, error);
}
