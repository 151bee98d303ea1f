/*
 * Other allocators by name: where their libraries are on this machine.
 */
#ifndef HAK_TOOLS_PEERS_H
#define HAK_TOOLS_PEERS_H

#include <stdbool.h>
#include <stddef.h>

struct peer {
    const char *name;  /* "mimalloc" */
    const char *files; /* what its library is called, the newest first, with spaces between */
};

/* Ended by an entry without a name. */
extern const struct peer peers[];

/* NULL: none of that name is known. */
const struct peer *peer_by_name(const char *name);

/*
 * The path of its library as the loader finds it, to be freed; NULL: it is not installed. A process with
 * the library preloaded says so: some cannot be loaded in any other way.
 */
char *peer_find(const struct peer *peer);

/* The names of all peers, with commas between. */
const char *peer_names(void);

#endif
