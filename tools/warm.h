/*
 * Warming the machine's memory before something is measured.
 *
 * On a virtual machine whose balloon hands free pages back to the host, the first touch of a page
 * that has been free for some seconds is 10 to 100 times dearer than of one that was in use just
 * now. A throwaway process that touches a few GiB and exits leaves them at the front of the
 * kernel's free lists, so that what runs next finds the same machine each time.
 */
#ifndef HAK_TOOLS_WARM_H
#define HAK_TOOLS_WARM_H

#include <stddef.h>

/* GiB to warm when nobody said: 4; at most half of what is available, and a quarter of what the control group may
 * have. May be 0. */
double warm_default_gib(void);

/* Touches so much memory in this process and unmaps it. 0 or -errno. */
int warm_touch(double gib);

/* The same in a process of its own, which has ended on return: it leaves nothing here. */
int warm_in_child(double gib);

#endif
