/*
 * The measuring side: clocks, faults, TLB shootdowns, and a thread that samples resident memory.
 *
 * Averages of resident memory are taken over time, not over samples: a sampler that was late has
 * not seen less memory for it. Sampling is one read of /proc/self/statm every 10 ms; the CPU time
 * of that thread is taken off the process's. Peaks come from the kernel's own high-water mark,
 * which is set back before each run.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const unsigned sample_period_ms = 10;

static struct {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake, first; /* time to stop; the first sample is taken */
    clockid_t cpu_clock;
    bool running, stop;
    int statm;
    double mib_ns, peak_mib; /* integral over time */
    uint64_t first_ns, last_ns;
    double last_mib;
} sampler = {.mutex = PTHREAD_MUTEX_INITIALIZER,
             .wake = PTHREAD_COND_INITIALIZER,
             .first = PTHREAD_COND_INITIALIZER,
             .statm = -1};

static char text[4 * BENCH_MIB]; /* for files of /proc; the main thread's */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t measure_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

void measure_sleep_until_ns(uint64_t when_ns)
{
    struct timespec t = {(time_t)(when_ns / 1000000000u), (long)(when_ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {}
}

void measure_sleep_ms(unsigned ms)
{
    measure_sleep_until_ns(measure_now_ns() + (uint64_t)ms * 1000000u);
}

/* The whole of a file of /proc as a string in `text`; false when it cannot be read. */
static bool read_text(const char *path)
{
    size_t used = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while (used < sizeof(text) - 1) {
        ssize_t n = read(fd, text + used, sizeof(text) - 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    close(fd);
    text[used] = '\0';
    return used > 0;
}

int64_t measure_tlb_shootdowns(void)
{
    if (!read_text("/proc/interrupts"))
        return -1;
    char *at = strstr(text, "TLB:");
    if (at == NULL)
        return -1;
    int64_t sum = 0;
    for (at += strlen("TLB:");;) {
        char *end;
        long long n = strtoll(at, &end, 10);
        if (end == at)
            return sum;
        sum += n;
        at = end;
    }
}

long measure_mappings(void)
{
    if (!read_text("/proc/self/maps"))
        return -1;
    long lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    return lines;
}

/* Resident MiB from statm, which any thread may ask: the buffer is its own. */
static double statm_mib(void)
{
    char line[128];
    unsigned long size, resident;
    ssize_t n = pread(sampler.statm, line, sizeof(line) - 1, 0);
    if (n <= 0)
        return 0;
    line[n] = '\0';
    if (sscanf(line, "%lu %lu", &size, &resident) != 2)
        return 0;
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / BENCH_MIB;
}

double measure_resident_mib(void)
{
    return statm_mib();
}

static double peak_mib(void)
{
    const char *at = read_text("/proc/self/status") ? strstr(text, "VmHWM:") : NULL;
    return at == NULL ? 0 : (double)strtoull(at + strlen("VmHWM:"), NULL, 10) / 1024;
}

static void reset_peak(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, "5", 1) != 1)
        fprintf(stderr, "hakmem-bench: the peak of an earlier run may be shown: %s\n",
                strerror(errno));
    close(fd);
}

void measure_usage(struct bench_usage *out)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    out->wall_ns = measure_now_ns();
    out->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (sampler.running)
        out->cpu_ns -= clock_ns(sampler.cpu_clock);
    out->user_us = (uint64_t)r.ru_utime.tv_sec * 1000000u + (uint64_t)r.ru_utime.tv_usec;
    out->system_us = (uint64_t)r.ru_stime.tv_sec * 1000000u + (uint64_t)r.ru_stime.tv_usec;
    out->minor_faults = (uint64_t)r.ru_minflt;
    out->major_faults = (uint64_t)r.ru_majflt;
}

static void take_sample(void)
{
    uint64_t now = measure_now_ns();
    double mib = statm_mib();
    if (sampler.first_ns == 0)
        sampler.first_ns = now;
    else
        sampler.mib_ns += (sampler.last_mib + mib) / 2 * (double)(now - sampler.last_ns);
    if (mib > sampler.peak_mib)
        sampler.peak_mib = mib;
    sampler.last_mib = mib;
    sampler.last_ns = now;
}

static void *sample(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&sampler.mutex);
    while (!sampler.stop) {
        take_sample();
        pthread_cond_signal(&sampler.first);
        uint64_t when = sampler.last_ns + sample_period_ms * 1000000u;
        struct timespec t = {(time_t)(when / 1000000000u), (long)(when % 1000000000u)};
        pthread_cond_clockwait(&sampler.wake, &sampler.mutex, CLOCK_MONOTONIC, &t);
    }
    take_sample();
    pthread_mutex_unlock(&sampler.mutex);
    return NULL;
}

int measure_sampling_start(void)
{
    if (sampler.statm < 0)
        sampler.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (sampler.statm < 0)
        return -errno;
    sampler.stop = false;
    sampler.mib_ns = sampler.peak_mib = 0;
    sampler.first_ns = 0;
    int error = pthread_create(&sampler.thread, NULL, sample, NULL);
    if (error != 0)
        return -error;
    sampler.running = pthread_getcpuclockid(sampler.thread, &sampler.cpu_clock) == 0;
    /* The thread's own first faults come before the measured work. */
    pthread_mutex_lock(&sampler.mutex);
    while (sampler.first_ns == 0)
        pthread_cond_wait(&sampler.first, &sampler.mutex);
    pthread_mutex_unlock(&sampler.mutex);
    reset_peak();
    return 0;
}

void measure_sampling_stop(struct bench_run *run)
{
    pthread_mutex_lock(&sampler.mutex);
    sampler.stop = true;
    pthread_cond_signal(&sampler.wake);
    pthread_mutex_unlock(&sampler.mutex);
    pthread_join(sampler.thread, NULL);
    sampler.running = false;

    uint64_t span_ns = sampler.last_ns - sampler.first_ns;
    double peak = peak_mib();
    run->resident_average_mib = span_ns == 0 ? sampler.last_mib : sampler.mib_ns / (double)span_ns;
    run->resident_peak_mib = peak > sampler.peak_mib ? peak : sampler.peak_mib;
}

void bench_touch(void *block, size_t bytes)
{
    static const size_t page_bytes =
        4096; /* the smallest there is: every page of a larger kind is met */
    volatile char *p = block;
    for (size_t at = 0; at < bytes; at += page_bytes)
        p[at] = (char)(at >> 12);
}

void *bench_need(void *block, size_t bytes)
{
    if (block != NULL)
        return block;
    fprintf(stderr, "hakmem-bench: no memory for a block of %zu bytes: %s\n", bytes,
            strerror(errno));
    exit(1);
}

void bench_phases(struct bench_run *run, const char *const *names, size_t count)
{
    for (run->phase_count = 0; run->phase_count < count; run->phase_count++)
        run->phases[run->phase_count] = (struct bench_phase){.name = names[run->phase_count]};
}

void bench_phase_end(struct bench_run *run, size_t phase, const struct bench_usage *since,
                     uint64_t rounds)
{
    struct bench_usage now;
    struct bench_phase *p = &run->phases[phase];
    measure_usage(&now);
    p->rounds += rounds;
    p->wall_ns += now.wall_ns - since->wall_ns;
    p->cpu_ns += now.cpu_ns - since->cpu_ns;
    p->minor_faults += now.minor_faults - since->minor_faults;
}
