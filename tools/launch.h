/*
 * Starting a program under the library, and knowing whether it took effect.
 */
#ifndef HAK_TOOLS_LAUNCH_H
#define HAK_TOOLS_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>

enum { LAUNCH_VARIABLES_MAX = 8 };

struct launch_variable {
    const char *name, *value;
};

/* What the program gets beside our own surroundings. */
struct launch {
    const char *command; /* whose lines on stderr these are */
    const char *library; /* tool_library_needed() */
    char **argv;         /* program and arguments, NULL after them */
    struct launch_variable variable
        [LAUNCH_VARIABLES_MAX]; /* set in its environment; the first without a name ends them */
    bool quiet;                 /* nothing is said of the library's effect */
    int stdin_fd, stdout_fd, stderr_fd; /* to be used in place of ours; -1: ours */
};

enum launch_effect {
    LAUNCH_EFFECTIVE,  /* the library is in the program */
    LAUNCH_INDIRECT,   /* only in a process the program started */
    LAUNCH_INEFFECTIVE /* nowhere */
};

struct launch_result {
    int status;   /* as a shell gives it: 128 + n after signal n; 125 to 127 as TOOL_... */
    int ended_by; /* the signal that did; 0: it ended by itself, if with a status above 128 */
    bool started; /* the program ran; else why not has been said */
    int signal;   /* the last that asked us to end meanwhile (HUP, INT, QUIT, TERM); 0: none */
    enum launch_effect effect;
    bool explained; /* that it is not effective, and why, has been said already */
};

/* The environment variable of an option ("mode"), with that value. */
struct launch_variable launch_option(const char *field, const char *value);

/* A copy of the path that still holds when the program changes its directory; NULL + errno. */
char *launch_path(const char *path);

/*
 * Runs the program and waits for it. Signals that somebody sends us meanwhile go to the program. One line on
 * stderr when it could not be started, and one, before it starts, when it is sure that the library
 * will not take effect.
 */
struct launch_result launch(const struct launch *what);

/* The line for a program the library had no effect in, if launch() has not said it yet. */
void launch_explain(const struct launch *what, const struct launch_result *result);

/*
 * Whether the library cannot take effect in `program` (looked up in PATH), by its file alone; `reason`
 * gets why: "is statically linked". False: nothing speaks against it.
 */
bool launch_cannot_preload(const char *program, const char *library, char *reason, size_t capacity);

#endif
