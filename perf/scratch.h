// Removes a folder that a benchmark made, with all that is in it. What cannot be removed stays.
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static inline int scratch_remove_one(const char *path, const struct stat *stat, int type,
                                     struct FTW *at)
{
    (void)stat;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void scratch_remove(const char *path)
{
    enum { DESCRIPTORS = 16 };

    (void)nftw(path, scratch_remove_one, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}
