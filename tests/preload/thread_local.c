/*
 * thread_local PLUGIN: threads on stacks of the program's own, which use what a loaded module has for each thread. When one is joined the
 * C library frees that with a lock held that starting a thread needs: whoever does so then hangs, and the alarm ends it.
 */
#include "check.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

enum { THREADS = 8, STACK_BYTES = 256 << 10 };

static unsigned char *(*of_this_thread)(size_t *bytes);

static void *use_it(void *seed)
{
    size_t bytes;
    unsigned char *own = of_this_thread(&bytes);
    CHECK(bytes >= 100000 && zero(own, bytes));
    fill(own, bytes, (uintptr_t)seed);
    CHECK(holds(own, bytes, bytes, (uintptr_t)seed));
    return NULL;
}

static void run_on_a_stack_of_our_own(uintptr_t seed)
{
    pthread_attr_t attributes;
    pthread_t thread;
    void *stack =
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED && pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstack(&attributes, stack, STACK_BYTES) == 0);
    CHECK(pthread_create(&thread, &attributes, use_it, (void *)seed) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
    munmap(stack, STACK_BYTES);
}

static int threads_now(void)
{
    static char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    CHECK(n > 0);
    close(fd);
    text[n] = '\0';
    return atoi(strstr(text, "Threads:") + strlen("Threads:"));
}

/* Only where there is no other thread one would be started. */
static void wait_until_alone(void)
{
    for (int ms = 0; threads_now() > 1 && ms < 5000; ms++)
        usleep(1000);
}

int main(int argc, char **argv)
{
    check_allocator();
    CHECK(argc == 2);
    alarm(60);
    void *plugin = dlopen(argv[1], RTLD_NOW);
    CHECK(plugin != NULL);
    of_this_thread = (unsigned char *(*)(size_t *))dlsym(plugin, "plugin_of_this_thread");
    CHECK(of_this_thread != NULL);
    for (uintptr_t i = 1; i <= THREADS; i++)
        run_on_a_stack_of_our_own(i);
    wait_until_alone();
    run_on_a_stack_of_our_own(THREADS + 1);
    printf("%d threads\n", THREADS + 1);
    return 0;
}
