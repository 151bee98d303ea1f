// new and delete in all their forms; bad_alloc, nothrow, new_handler; containers of large blocks; threads.
#include "check.h"

#include <algorithm>
#include <map>
#include <memory>
#include <new>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace
{
void *volatile sink;
int handler_calls;

// Keeps the compiler from leaving out a new and its delete.
template <typename T> T *seen(T *p)
{
    sink = p;
    return p;
}

void handler()
{
    if (++handler_calls == 3)
        std::set_new_handler(nullptr);
}

struct alignas(4096) page {
    char bytes[200000];
};

struct counted {
    static int alive;
    char bytes[50000];
    counted()
    {
        alive++;
    }
    ~counted()
    {
        alive--;
    }
};
int counted::alive;

void forms()
{
    for (size_t n : {size_t(1), size_t(1000), size_t(65536), size_t(1) << 20, size_t(5000001)}) {
        char *p = seen(new char[hide(n)]);
        fill(p, n, n);
        CHECK(holds(p, n, n, n));
        delete[] p;
        p = seen(new (std::nothrow) char[hide(n)]);
        CHECK(p != nullptr);
        delete[] p;
        void *raw = seen(::operator new(n, std::align_val_t(1 << 16)));
        CHECK((reinterpret_cast<uintptr_t>(raw) & 0xffff) == 0);
        ::operator delete(raw, n, std::align_val_t(1 << 16));
        raw = seen(::operator new(n));
        ::operator delete(raw, n);
    }
    auto pages = std::make_unique<page[]>(3);
    CHECK((reinterpret_cast<uintptr_t>(seen(pages.get())) & 4095) == 0);
    counted *many = seen(new counted[20]);
    CHECK(counted::alive == 20);
    delete[] many;
    CHECK(counted::alive == 0);
    puts("forms");
}

void out_of_memory()
{
    bool thrown = false;
    try {
        sink = ::operator new(hide(PTRDIFF_MAX));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    CHECK(thrown);
    CHECK(::operator new(hide(PTRDIFF_MAX), std::nothrow) == nullptr);
    CHECK(::operator new(hide(PTRDIFF_MAX), std::align_val_t(4096), std::nothrow) == nullptr);
    std::set_new_handler(handler);
    thrown = false;
    try {
        sink = ::operator new(hide(PTRDIFF_MAX));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    CHECK(thrown && handler_calls == 3);
    puts("out of memory");
}

void containers()
{
    std::vector<int> growing;
    for (int i = 0; i < 3000000; i++)
        growing.push_back(i);
    CHECK(std::accumulate(growing.begin(), growing.end(), 0LL) == 2999999LL * 3000000 / 2);
    std::map<int, std::string> strings;
    for (int i = 0; i < 200; i++)
        strings[i] = std::string(1000 + i * 2000, char('a' + i % 26));
    for (const auto &entry : strings)
        CHECK(entry.second.size() == size_t(1000 + entry.first * 2000) &&
              entry.second.back() == char('a' + entry.first % 26));
    std::vector<std::thread> threads;
    std::vector<long long> sums(4);
    for (int t = 0; t < 4; t++)
        threads.emplace_back([t, &sums] {
            for (int round = 0; round < 50; round++) {
                std::vector<long long> numbers(20000 + 3000 * size_t(round), t + round);
                sums[size_t(t)] += std::accumulate(numbers.begin(), numbers.end(), 0LL);
            }
        });
    for (auto &thread : threads)
        thread.join();
    printf("containers, sums %lld %lld %lld %lld\n", sums[0], sums[1], sums[2], sums[3]);
}
} // namespace

int main()
{
    check_allocator();
    forms();
    out_of_memory();
    containers();
    return 0;
}
