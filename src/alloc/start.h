/*
 * Start, fork and end.
 */
#ifndef HAK_ALLOC_START_H
#define HAK_ALLOC_START_H

/* The constructor's part: answers `hakmem run`, and starts at once when the environment asks for something
 * that is reported. Else the first large block starts hakmem, and a small program never pays for it. */
void start_in_constructor(void);

/* The destructor's part: saves what was learned, and writes the statistics. */
void start_finish(void);

#endif
