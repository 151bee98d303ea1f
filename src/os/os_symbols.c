/*
 * The function an address is in, for people to read: from the symbol tables of the module's file, because
 * static functions are in no dynamic table. Only while a policy is saved; takes no lock of the loader.
 */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/attr.h"
#include "os/os_linux.h"

struct image {
    const char *bytes;
    size_t size;
};

/* Whether [offset, offset + size) lies in the file. */
static bool holds(const struct image *image, uint64_t offset, uint64_t size)
{
    return offset <= image->size && size <= image->size - offset;
}

static bool is_elf_of_ours(const struct image *image, const ElfW(Ehdr) * header)
{
    return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_shentsize == sizeof(ElfW(Shdr)) && header->e_shoff % sizeof(uint64_t) == 0 &&
           holds(image, header->e_shoff, (uint64_t)header->e_shnum * sizeof(ElfW(Shdr)));
}

/* The function symbol of one table that covers `address`; its name, or NULL. */
static const char *search_table(const struct image *image, const ElfW(Shdr) * table,
                                const ElfW(Shdr) * names, uint64_t address, uint64_t *start)
{
    if (!holds(image, table->sh_offset, table->sh_size) || names->sh_size == 0 ||
        !holds(image, names->sh_offset, names->sh_size) || table->sh_offset % sizeof(uint64_t) != 0)
        return NULL;
    const ElfW(Sym) *sym = (const void *)(image->bytes + table->sh_offset);
    const char *strings = image->bytes + names->sh_offset;
    if (strings[names->sh_size - 1] != '\0')
        return NULL;
    for (size_t i = 0; i < table->sh_size / sizeof(*sym); i++) {
        if ((sym[i].st_info & 15) != STT_FUNC || address - sym[i].st_value >= sym[i].st_size ||
            sym[i].st_name >= names->sh_size)
            continue;
        *start = sym[i].st_value;
        return strings + sym[i].st_name;
    }
    return NULL;
}

static bool search_image(const struct image *image, uint64_t address, char *buf, size_t cap)
{
    static const unsigned kinds[] = {SHT_SYMTAB, SHT_DYNSYM};
    const ElfW(Ehdr) *header = (const void *)image->bytes;
    if (image->size < sizeof(*header) || !is_elf_of_ours(image, header))
        return false;

    const ElfW(Shdr) *section = (const void *)(image->bytes + header->e_shoff);
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        for (unsigned i = 0; i < header->e_shnum; i++) {
            uint64_t start = 0;
            if (section[i].sh_type != kinds[k] || section[i].sh_link >= header->e_shnum)
                continue;
            const char *name =
                search_table(image, &section[i], &section[section[i].sh_link], address, &start);
            if (name == NULL)
                continue;
            snprintf(buf, cap, "%s+0x%llx", name, (unsigned long long)(address - start));
            return true;
        }
    }
    return false;
}

bool linux_symbol_of(uintptr_t pc, char *buf, size_t cap)
{
    struct os_module module;
    if (!linux_module_of(pc, &module))
        return false;
    int fd = linux_open(module.path[0] != '\0' ? module.path : "/proc/self/exe", O_RDONLY, 0);
    if (fd < 0)
        return false;
    long size = linux_file_bytes(fd);
    void *bytes = size > 0 ? mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    linux_close(fd);
    if (bytes == MAP_FAILED)
        return false;
    struct image image = {bytes, (size_t)size};
    bool found = search_image(&image, pc - module.base, buf, cap);
    munmap(bytes, (size_t)size);
    return found;
}
