/*
 * The parts of os_linux that live in other files than the struct. Only src/os includes this.
 */
#ifndef HAK_OS_OS_LINUX_H
#define HAK_OS_OS_LINUX_H

#include "os/os.h"

/* os_move.c */
int linux_renew(void *p, size_t bytes);
int linux_move(void *from, void *to, size_t bytes);
bool linux_locks_all(void);

/* os_machine.c */
void linux_machine(struct os_machine *out);
void linux_names(struct os_names *out);
void linux_faults(struct os_faults *out);
uint64_t linux_resident_bytes(void);
long linux_mappings_in(uintptr_t low, uintptr_t high);

/* os_modules.c, os_symbols.c */
bool linux_module_of(uintptr_t pc, struct os_module *out);
bool linux_symbol_of(uintptr_t pc, struct os_symbol *out);
bool linux_functions_of(uintptr_t pc, void (*visit)(const struct os_function *, void *),
                        void *context);

/* os_calls.c; `code` is what machine code it is. */
enum os_code { OS_CODE_X86_64, OS_CODE_AARCH64, OS_CODE_OTHER };
int32_t calls_number(enum os_code code, uintptr_t start, uintptr_t pc, uintptr_t *goes_to);
bool calls_have(enum os_code code, uintptr_t start, size_t bytes, int32_t number);
int32_t linux_call_of(uintptr_t start, uintptr_t pc, uintptr_t *goes_to);
bool linux_has_call(uintptr_t start, size_t bytes, int32_t number);

/* os_stack.c */
uint32_t linux_depth_of(uintptr_t frame);

/* os_files.c */
int linux_open(const char *path, int flags, unsigned mode);
int linux_close(int fd);
long linux_read(int fd, void *buf, size_t bytes);
long linux_write(int fd, const void *buf, size_t bytes);
long linux_file_bytes(int fd);
int linux_fsync(int fd);
int linux_flock(int fd, int operation);
int linux_rename(const char *from, const char *to);
int linux_unlink(const char *path);
long linux_readlink(const char *path, char *buf, size_t cap);
int linux_file_access(int fd, struct os_access *out);
int linux_fchmod(int fd, unsigned mode);
int linux_fchown(int fd, unsigned user, unsigned group);
int linux_absolute(const char *path, char *buf, size_t cap);

/* Reads at most cap - 1 bytes of a small file of /proc or /sys, which one read gives whole up to a page, and ends them with a
 * NUL; their number, or -errno. */
long linux_slurp(const char *path, char *buf, size_t cap);

#endif
