// Lines of the processor's cache that another core has, or that are in none.
#pragma once

// Asks for a line as who will write it: one that is asked for to be read, and then written, comes
// twice. Who writes to a line that is not there goes on at once, but all that is written after it
// waits in the store buffer, and once that is full the core stands still: so lines for which others
// compete are asked for ahead. Any address will do, NULL too. (Compilers need a newer processor
// than ours to be told so for __builtin_prefetch().)
static inline void cache_fetch_to_write(const void *line)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
    __builtin_prefetch(line, 1);
#endif
}
