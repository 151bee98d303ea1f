/*
 * Where libhakmem.so is.
 */
#ifndef HAK_TOOLS_LIBRARY_H
#define HAK_TOOLS_LIBRARY_H

/*
 * The absolute path of the library that programs are to be run under: HAKMEM_LIBRARY when that is set (and
 * nothing else then), the one of the build tree this executable is in, the one installed beside it, the
 * one of the configured prefix. The first that can be read; NULL + errno. Valid until the program ends.
 */
const char *tool_library_path(void);

/* As above; NULL after one line on stderr that says where was looked. */
const char *tool_library_needed(const char *command);

#endif
