/*
 * The library's options, as the commands that set them for a program need them.
 */
#ifndef HAK_TOOLS_OPTIONS_H
#define HAK_TOOLS_OPTIONS_H

#include "config/config.h"

/* The row of that field of the option table ("mode"). There is one: the field is a name in our source. */
const struct option_row *option_named(const char *field);

#endif
