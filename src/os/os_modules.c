/*
 * Which loaded object an address is in, and its build-id.
 *
 * _dl_find_object (glibc 2.35) takes no lock, so it is safe wherever malloc is; elsewhere dl_iterate_phdr.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#include "base/attr.h"
#include "base/bits.h"
#include "os/os_linux.h"

/* Looks through the notes of a mapped object for GNU's build-id. */
static void read_build_id(const ElfW(Phdr) * phdr, unsigned nr, uintptr_t base,
                          struct os_module *out)
{
    for (unsigned i = 0; i < nr; i++) {
        if (phdr[i].p_type != PT_NOTE)
            continue;
        size_t align = phdr[i].p_align == 8 ? 8 : 4;
        const char *at = (const char *)(base + phdr[i].p_vaddr);
        const char *end = at + phdr[i].p_memsz;
        while ((size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
            const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
            const char *name = at + sizeof(*note);
            const char *body = name + align_up(note->n_namesz, align);
            if (body > end || note->n_descsz > (size_t)(end - body))
                break;
            if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
                memcmp(name, "GNU", 4) == 0 && note->n_descsz <= sizeof(out->build_id)) {
                out->build_id_bytes = note->n_descsz;
                memcpy(out->build_id, body, note->n_descsz);
                return;
            }
            at = body + align_up(note->n_descsz, align);
        }
    }
}

struct search {
    uintptr_t pc;
    struct os_module *out;
};

static int visit(struct dl_phdr_info *info, size_t size, void *context)
{
    struct search *s = context;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || s->pc - (info->dlpi_addr + p->p_vaddr) >= p->p_memsz)
            continue;
        s->out->base = info->dlpi_addr;
        s->out->path = info->dlpi_name;
        read_build_id(info->dlpi_phdr, info->dlpi_phnum, info->dlpi_addr, s->out);
        return 1;
    }
    return 0;
}

#ifdef DLFO_STRUCT_HAS_EH_DBASE
__extension__ extern __typeof(_dl_find_object) _dl_find_object __attribute__((weak));

static bool find_without_lock(uintptr_t pc, struct os_module *out)
{
    struct dl_find_object found;
    if (_dl_find_object((void *)pc, &found) != 0)
        return false;
    out->base = found.dlfo_link_map->l_addr;
    out->path = found.dlfo_link_map->l_name;
    const ElfW(Ehdr) *header = found.dlfo_map_start;
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) == 0)
        read_build_id((const ElfW(Phdr) *)((const char *)header + header->e_phoff), header->e_phnum,
                      out->base, out);
    return true;
}

static bool can_find_without_lock(void)
{
    return _dl_find_object != NULL;
}
#else
static bool find_without_lock(uintptr_t pc, struct os_module *out)
{
    return false;
}
static bool can_find_without_lock(void)
{
    return false;
}
#endif

bool linux_module_of(uintptr_t pc, struct os_module *out)
{
    struct search s = {pc, out};
    memset(out, 0, sizeof(*out));
    if (can_find_without_lock())
        return find_without_lock(pc, out);
    return dl_iterate_phdr(visit, &s) != 0;
}
