#include "core/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *file, int line, const char *function, const char *expression)
{
    // Standard error is unbuffered, so that this one call is one write and lines of several threads
    // do not mix.
    fprintf(stderr, "%s:%d: %s: CHECK(%s) failed\n", file, line, function, expression);
    abort();
}
