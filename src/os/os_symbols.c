/*
 * The functions of a loaded module, by name: from the symbol tables of its file, because static functions are in
 * no dynamic table. While a policy is saved, and when one is met that another build of the module was learned with;
 * takes no lock of the loader.
 *
 * A C++ name can be longer than a policy's text. Then its beginning stands for it, and a hash of the whole, so that
 * two that begin the same stay distinct; the offset behind it is never cut.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/attr.h"
#include "os/os_linux.h"

enum { HASH_DIGITS = 16, KEPT_BYTES = OS_NAME_BYTES - 1 - HASH_DIGITS - 1 };
_Static_assert(OS_NAME_BYTES - 1 + sizeof("+0x") - 1 + 16 < OS_SYMBOL_BYTES,
               "every offset fits behind every name");

struct image {
    const char *bytes;
    size_t size;
    struct os_module module;
};

/* One table of symbols in it, their names, and where code may lie. */
struct table {
    const ElfW(Sym) * symbol;
    size_t count;
    const char *names;
    size_t name_bytes;
    const ElfW(Phdr) * segment;
    unsigned nr_segments;
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

/* Whether one of the notes has the build-id of what is loaded: a file may be replaced while it runs. */
static bool is_file_of_module(const struct image *image, const ElfW(Shdr) * section, unsigned nr)
{
    const struct os_module *module = &image->module;
    bool found = module->build_id_bytes == 0;
    for (unsigned i = 0; i < nr && !found; i++)
        found = section[i].sh_type == SHT_NOTE &&
                holds(image, section[i].sh_offset, section[i].sh_size) &&
                memmem(image->bytes + section[i].sh_offset, section[i].sh_size, module->build_id,
                       module->build_id_bytes) != NULL;
    return found;
}

static bool take_table(const struct image *image, const ElfW(Shdr) * symbols,
                       const ElfW(Shdr) * names, struct table *out)
{
    if (!holds(image, symbols->sh_offset, symbols->sh_size) || names->sh_size == 0 ||
        !holds(image, names->sh_offset, names->sh_size) ||
        symbols->sh_offset % sizeof(uint64_t) != 0 ||
        image->bytes[names->sh_offset + names->sh_size - 1] != '\0')
        return false;
    out->symbol = (const void *)(image->bytes + symbols->sh_offset);
    out->count = symbols->sh_size / sizeof(ElfW(Sym));
    out->names = image->bytes + names->sh_offset;
    out->name_bytes = names->sh_size;
    return true;
}

static void take_segments(const struct image *image, const ElfW(Ehdr) * header, struct table *out)
{
    bool sound = header->e_phentsize == sizeof(ElfW(Phdr)) &&
                 header->e_phoff % sizeof(uint64_t) == 0 &&
                 holds(image, header->e_phoff, (uint64_t)header->e_phnum * sizeof(ElfW(Phdr)));
    out->segment = (const void *)(image->bytes + header->e_phoff);
    out->nr_segments = sound ? header->e_phnum : 0;
}

/* Code is read where it runs, so it must be all there, and readable: it is not everywhere. */
static bool is_readable_code(const struct table *table, uint64_t start, uint64_t bytes)
{
    for (unsigned i = 0; i < table->nr_segments; i++) {
        const ElfW(Phdr) *p = &table->segment[i];
        if (p->p_type == PT_LOAD && (p->p_flags & (PF_R | PF_X)) == (PF_R | PF_X) &&
            start >= p->p_vaddr && bytes <= p->p_memsz && start - p->p_vaddr <= p->p_memsz - bytes)
            return true;
    }
    return false;
}

/* The full table of symbols, or the one for the loader. */
static bool find_table(const struct image *image, struct table *out)
{
    static const unsigned kinds[] = {SHT_SYMTAB, SHT_DYNSYM};
    const ElfW(Ehdr) *header = (const void *)image->bytes;
    if (image->size < sizeof(*header) || !is_elf_of_ours(image, header))
        return false;

    const ElfW(Shdr) *section = (const void *)(image->bytes + header->e_shoff);
    if (!is_file_of_module(image, section, header->e_shnum))
        return false;
    take_segments(image, header, out);
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
        for (unsigned i = 0; i < header->e_shnum; i++)
            if (section[i].sh_type == kinds[k] && section[i].sh_link < header->e_shnum &&
                take_table(image, &section[i], &section[section[i].sh_link], out))
                return true;
    return false;
}

/* The name of a symbol that is a function with code; NULL: it is none. */
static const char *function_name(const struct table *table, const ElfW(Sym) * symbol)
{
    bool is_function = (symbol->st_info & 15) == STT_FUNC && symbol->st_size != 0 &&
                       symbol->st_name < table->name_bytes &&
                       is_readable_code(table, symbol->st_value, symbol->st_size);
    return is_function ? table->names + symbol->st_name : NULL;
}

static bool open_image(uintptr_t pc, struct image *image)
{
    if (!linux_module_of(pc, &image->module))
        return false;
    const char *path = image->module.path;
    int fd = linux_open(path[0] != '\0' ? path : "/proc/self/exe", O_RDONLY, 0);
    if (fd < 0)
        return false;
    long size = linux_file_bytes(fd);
    void *bytes = size > 0 ? mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    linux_close(fd);
    if (bytes == MAP_FAILED)
        return false;
    image->bytes = bytes;
    image->size = (size_t)size;
    return true;
}

static void close_image(struct image *image)
{
    munmap((void *)(uintptr_t)image->bytes, image->size);
}

/* The name itself, or what stands for it in `buf`. */
static const char *name_that_fits(const char *name, char buf[OS_NAME_BYTES])
{
    size_t bytes = strlen(name);
    if (bytes < OS_NAME_BYTES)
        return name;
    snprintf(buf, OS_NAME_BYTES, "%.*s~%016llx", KEPT_BYTES, name,
             (unsigned long long)XXH3_64bits(name, bytes));
    return buf;
}

static bool has_other(const struct table *table, const char *name, uint64_t start)
{
    for (size_t i = 0; i < table->count; i++) {
        const char *other = function_name(table, &table->symbol[i]);
        if (other != NULL && table->symbol[i].st_value != start && strcmp(other, name) == 0)
            return true;
    }
    return false;
}

/* Fills in what the table says of the function that covers `address`. */
static bool search_table(const struct table *table, uint64_t address, struct os_symbol *out)
{
    char buf[OS_NAME_BYTES];
    for (size_t i = 0; i < table->count; i++) {
        const ElfW(Sym) *symbol = &table->symbol[i];
        const char *name = function_name(table, symbol);
        if (name == NULL || address - symbol->st_value >= symbol->st_size)
            continue;
        snprintf(out->text, sizeof(out->text), "%s+0x%llx", name_that_fits(name, buf),
                 (unsigned long long)(address - symbol->st_value));
        out->shared = has_other(table, name, symbol->st_value);
        out->start = symbol->st_value;
        out->bytes = symbol->st_size;
        return true;
    }
    return false;
}

bool linux_symbol_of(uintptr_t pc, struct os_symbol *out)
{
    struct image image;
    struct table table;
    uintptr_t goes_to;
    *out = (struct os_symbol){.call = -1};
    if (!open_image(pc, &image))
        return false;
    bool found = find_table(&image, &table) && search_table(&table, pc - image.module.base, out);
    close_image(&image);
    if (!found)
        return false;
    out->start += image.module.base;
    if (image.module.build_id_bytes != 0) /* else it is not certain that this is its file */
        out->call = linux_call_of(out->start, pc, &goes_to);
    return true;
}

bool linux_functions_of(uintptr_t pc, void (*visit)(const struct os_function *, void *),
                        void *context)
{
    char buf[OS_NAME_BYTES];
    struct image image;
    struct table table;
    if (!open_image(pc, &image))
        return false;
    bool found = image.module.build_id_bytes != 0 && find_table(&image, &table);
    for (size_t i = 0; found && i < table.count; i++) {
        const ElfW(Sym) *symbol = &table.symbol[i];
        const char *name = function_name(&table, symbol);
        if (name == NULL)
            continue;
        visit(&(struct os_function){name_that_fits(name, buf), image.module.base + symbol->st_value,
                                    symbol->st_size},
              context);
    }
    close_image(&image);
    return found;
}
