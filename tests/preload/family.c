/* The malloc family's contracts, each function: results, alignment, errno, sizes that cannot be had. */
#include "check.h"

#include <malloc.h>

#define MIB ((size_t)1 << 20)

static const size_t sizes[] = {0,    1,       15,      16,          17,      1000,   4095,
                               4096, 65535,   65536,   65537,       100000,  131072, MIB - 1,
                               MIB,  MIB + 1, 2 * MIB, 3 * MIB + 5, 5 * MIB, 9 * MIB};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };
static const size_t impossible[] = {PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 4096,
                                    SIZE_MAX};

static int aligned(const void *p, size_t alignment)
{
    return ((uintptr_t)p & (alignment - 1)) == 0;
}

static void plain_blocks(void)
{
    for (int i = 0; i < SIZES; i++) {
        char *p = malloc(hide(sizes[i]));
        CHECK(p != NULL && aligned(p, 16) && malloc_usable_size(p) >= sizes[i]);
        memset(p, 0xa5, malloc_usable_size(p));
        free(p);
        p = calloc(1, hide(sizes[i]));
        CHECK(p != NULL && aligned(p, 16) && zero(p, sizes[i]));
        free(p);
        p = calloc(hide(sizes[i]), 1);
        CHECK(p != NULL && zero(p, sizes[i]));
        free(p);
    }
    void *a = malloc(hide(0)), *b = malloc(hide(0));
    CHECK(a != b);
    free(a);
    free(b);
    free(NULL);
    CHECK(malloc_usable_size(NULL) == 0);
    puts("plain blocks");
}

static void impossible_sizes(void)
{
    char *volatile kept = malloc(3 * MIB); /* read anew after each failure */
    fill(kept, 3 * MIB, 7);
    for (unsigned i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        size_t n = hide(impossible[i]);
        void *p = kept;
        errno = 0;
        CHECK(is_null(malloc(n)) && errno == ENOMEM);
        errno = 0;
        CHECK(is_null(calloc(n, 1)) && errno == ENOMEM);
        errno = 0;
        CHECK(is_null(realloc(NULL, n)) && errno == ENOMEM);
        errno = 0;
        CHECK(is_null(realloc(kept, n)) && errno == ENOMEM);
        errno = 0;
        CHECK(is_null(memalign(64, n)) && errno == ENOMEM);
        errno = 0;
        CHECK(is_null(aligned_alloc(4096, n)) && errno == ENOMEM);
        errno = 0;
        CHECK(is_null(valloc(n)) && errno == ENOMEM);
        errno = 0;
        CHECK(is_null(pvalloc(n)) && errno == ENOMEM);
        CHECK(posix_memalign(&p, 64, n) == ENOMEM && p == kept);
    }
    errno = 0;
    CHECK(is_null(calloc(hide(SIZE_MAX / 2), hide(3))) && errno == ENOMEM);
    errno = 0;
    CHECK(is_null(calloc(hide((size_t)1 << 33), hide((size_t)1 << 33))) && errno == ENOMEM);
    errno = 0;
    CHECK(is_null(reallocarray(kept, hide(SIZE_MAX / 2), hide(3))) && errno == ENOMEM);
    CHECK(holds(kept, 3 * MIB, 3 * MIB, 7));
    free(kept);
    puts("impossible sizes");
}

static void aligned_blocks(void)
{
    for (size_t alignment = sizeof(void *); alignment <= 8 * MIB; alignment *= 2)
        for (int i = 0; i < SIZES; i += 1 + 2 * (alignment > 65536)) {
            void *p = NULL;
            CHECK(posix_memalign(&p, alignment, hide(sizes[i])) == 0);
            CHECK(p != NULL && aligned(p, alignment) && malloc_usable_size(p) >= sizes[i]);
            fill(p, sizes[i], alignment);
            CHECK(holds(p, sizes[i], sizes[i], alignment));
            void *q = aligned_alloc(alignment, hide(sizes[i]));
            CHECK(q != NULL && aligned(q, alignment));
            fill(q, sizes[i], alignment + 1);
            CHECK(holds(p, sizes[i], sizes[i], alignment));
            free(p);
            p = memalign(alignment, hide(sizes[i]));
            CHECK(p != NULL && aligned(p, alignment));
            /* realloc of an aligned block keeps the bytes, not the alignment. */
            q = realloc(q, sizes[i] + 70000);
            CHECK(q != NULL && holds(q, sizes[i], sizes[i], alignment + 1));
            free(q);
            free(p);
        }
    const size_t bad[] = {0, 1, 3, 4, 24, 4097};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        void *untouched = &untouched;
        errno = 55;
        CHECK(posix_memalign(&untouched, hide(bad[i]), 100000) == EINVAL);
        CHECK(untouched == (void *)&untouched && errno == 55);
    }
    errno = 0;
    CHECK(is_null(memalign(hide(SIZE_MAX / 2 + 2), 100)) && errno == EINVAL);
    puts("aligned blocks");
}

static void page_blocks(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < SIZES; i++) {
        void *p = valloc(hide(sizes[i])), *q = pvalloc(hide(sizes[i]));
        size_t whole = (sizes[i] + page - 1) / page * page;
        CHECK(p != NULL && aligned(p, page) && malloc_usable_size(p) >= sizes[i]);
        CHECK(q != NULL && aligned(q, page) && malloc_usable_size(q) >= whole);
        free(p);
        free(q);
    }
    puts("page blocks");
}

static void reallocs(void)
{
    for (int i = 1; i < SIZES; i++)
        for (int j = 1; j < SIZES; j++) {
            size_t least = sizes[i] < sizes[j] ? sizes[i] : sizes[j];
            char *p = malloc(hide(sizes[i]));
            fill(p, sizes[i], (uint64_t)i);
            p = realloc(p, hide(sizes[j]));
            CHECK(p != NULL && aligned(p, 16) && malloc_usable_size(p) >= sizes[j]);
            CHECK(holds(p, least, sizes[i], (uint64_t)i));
            fill(p, sizes[j], 99);
            free(p);
        }
    void *p = malloc(100000);
    printf("realloc to nothing: %s\n", realloc(p, hide(0)) == NULL ? "freed" : "a block");
    p = malloc(10);
    printf("realloc of a small block to nothing: %s\n",
           realloc(p, hide(0)) == NULL ? "freed" : "a block");
    p = reallocarray(NULL, hide(1000), hide(1000));
    CHECK(p != NULL && malloc_usable_size(p) >= 1000000);
    free(p);
}

/* C23's, which the C library may not have; the library under test must. */
static void sized_frees(void)
{
    void (*sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
    void (*both)(void *, size_t, size_t) =
        (void (*)(void *, size_t, size_t))dlsym(RTLD_DEFAULT, "free_aligned_sized");
    if (getenv("TEST_EXPECT_HAKMEM") != NULL)
        CHECK(sized != NULL && both != NULL);
    for (int i = 0; sized != NULL && both != NULL && i < SIZES; i++) {
        sized(malloc(sizes[i]), sizes[i]);
        both(aligned_alloc(4096, sizes[i]), 4096, sizes[i]);
    }
    if (sized != NULL)
        sized(NULL, 5);
    if (both != NULL)
        both(NULL, 16, 5);
    puts("sized frees");
}

static void errno_kept(void)
{
    for (int i = 0; i < SIZES; i++) {
        void *p = malloc(sizes[i]);
        memset(p, 1, sizes[i]);
        errno = 1234;
        free(p);
        CHECK(errno == 1234);
    }
    puts("free keeps errno");
}

extern void *__libc_malloc(size_t bytes);

/* What the C library allocates for us, in front of any interposition or behind it, is freed by us. */
static void from_libc(void)
{
    char *big = malloc(200001), *text = NULL;
    memset(big, 'x', 200000);
    big[200000] = '\0';
    char *copy = strdup(big);
    CHECK(copy != NULL && strlen(copy) == 200000);
    CHECK(asprintf(&text, "%s%s", big, copy) == 400000 && text[399999] == 'x');
    FILE *f = tmpfile();
    CHECK(f != NULL && fputs(text, f) >= 0 && fputc('\n', f) == '\n');
    rewind(f);
    char *line = NULL;
    size_t room = 0;
    CHECK(getline(&line, &room, f) == 400001);
    fclose(f);
    free(line);
    free(text);
    free(copy);
    free(big);
    for (int i = 0; i < SIZES; i++) {
        text = __libc_malloc(sizes[i]);
        CHECK(text != NULL && malloc_usable_size(text) >= sizes[i]);
        fill(text, sizes[i], 6);
        text = realloc(text, sizes[i] + 100000);
        CHECK(text != NULL && holds(text, sizes[i], sizes[i], 6));
        free(text);
        free(__libc_malloc(sizes[i]));
    }
    puts("blocks of the C library");
}

static void about_the_heap(void)
{
    char *p = malloc(8 * MIB), *text = NULL;
    size_t length = 0;
    fill(p, 8 * MIB, 3);
    struct mallinfo2 info = mallinfo2();
    CHECK(info.uordblks + info.hblkhd >= 8 * MIB);
    FILE *f = open_memstream(&text, &length);
    CHECK(malloc_info(0, f) == 0);
    fclose(f);
    CHECK(strncmp(text, "<malloc", 7) == 0 && strstr(text, "</malloc>") != NULL);
    free(text);
    errno = 0;
    CHECK(malloc_info(1, stdout) != 0);
    int trimmed = malloc_trim(0);
    CHECK(trimmed == 0 || trimmed == 1);
    CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1 && mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1);
    int saved = dup(STDERR_FILENO), pipes[2];
    CHECK(pipe(pipes) == 0 && dup2(pipes[1], STDERR_FILENO) == STDERR_FILENO);
    malloc_stats();
    dup2(saved, STDERR_FILENO);
    close(pipes[1]);
    char said[16];
    CHECK(read(pipes[0], said, sizeof(said)) > 0);
    CHECK(holds(p, 8 * MIB, 8 * MIB, 3));
    free(p);
    puts("about the heap");
}

int main(void)
{
    check_allocator();
    plain_blocks();
    impossible_sizes();
    aligned_blocks();
    page_blocks();
    reallocs();
    sized_frees();
    errno_kept();
    from_libc();
    about_the_heap();
    return 0;
}
