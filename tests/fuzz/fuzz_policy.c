/*
 * What must hold for every text: it is refused with one printable line, or it is a policy; and then it prints to a
 * text that reads back the same, merges, and its tables can be played.
 */
#include "fuzz_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/doc.h"

unsigned long fuzz_accepted;

static void require(int holds, const char *what, const char *detail)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s: %s\n", what, detail);
    abort();
}

static void check_refusal(const struct policy_error *error)
{
    require(strncmp(error->text, "line ", 5) == 0, "a refusal names a line", error->text);
    for (const char *s = error->text; *s != '\0'; s++)
        require(*s >= 0x20 && *s < 0x7f, "a refusal is one printable line", error->text);
}

static struct policy_doc *read_back(struct policy_doc *doc, const char *what)
{
    struct policy_error error;
    size_t bytes, again_bytes;
    const char *text = policy_doc_print(doc, &bytes);
    struct policy_doc *again = policy_doc_parse(text, bytes, &error);

    require(again != NULL, what, error.text);
    const char *again_text = policy_doc_print(again, &again_bytes);
    require(bytes == again_bytes && memcmp(text, again_text, bytes) == 0, what,
            "prints differently");
    return again;
}

/* A learner goes on from what the file says; the sanitizers watch its arithmetic. */
static void play(struct policy_band *b, uint64_t cost_ns)
{
    elo_set_playable(&b->elo, policy_band_playable(b), 1);
    for (int i = 0; i < 12; i++) {
        int arm = elo_pick(&b->elo);
        require(arm >= 0 && arm < ARM_COUNT && b->played_as[arm] == arm,
                "an arm that can be played is picked", "elo_pick");
        elo_report(&b->elo, arm, cost_ns >> (i % 4 * 16));
    }
    require(elo_champion(&b->elo) < ARM_COUNT, "the champion is an arm", "elo_champion");
}

static void play_all(struct policy_doc *doc, size_t bytes)
{
    for (unsigned i = 0; i < doc->nr_sites; i++) {
        const struct policy_site *s = doc->site[i];
        require(i == 0 || doc->site[i - 1]->id < s->id, "sites are in order", "id");
        for (unsigned k = 0; k < s->nr_bands; k++) {
            require(elo_is_valid(&s->band[k]->elo), "tables that were read are valid",
                    "elo_is_valid");
            play(s->band[k], UINT64_C(0x9E3779B97F4A7C15) * bytes);
        }
    }
}

static void check_merge(struct policy_doc *doc)
{
    struct policy_error error;
    struct policy_doc *sum = policy_doc_new();

    for (int i = 0; i < 3; i++)
        require(policy_doc_merge(sum, doc, &error) == 0, "a policy merges with itself", error.text);
    policy_doc_free(read_back(sum, "what was merged reads back the same"));
    policy_doc_free(sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct policy_error error;
    struct policy_doc *doc = policy_doc_parse((const char *)data, bytes, &error);

    if (doc == NULL) {
        check_refusal(&error);
        return 0;
    }
    fuzz_accepted++;
    struct policy_doc *again = read_back(doc, "what was read reads back the same");
    check_merge(doc);
    play_all(again, bytes);
    policy_doc_free(read_back(again, "what was played reads back the same"));
    policy_doc_free(again);
    policy_doc_free(doc);
    return 0;
}
