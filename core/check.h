// Assertions that stay on in release builds.
//
// CHECK states what must hold if this program has no bug: arguments, invariants, what cannot be.
// When it does not hold, the place is written to standard error and the process aborts, since going
// on would spread the damage to what is on disk. Bytes from a socket or a file are never a reason
// for a CHECK: they are refused with an error.
//
// CHECK_SLOW is for what costs more than a few instructions (walking a list, summing a table). It
// is compiled in only with RLDB_SLOW_CHECKS, which debug builds define; its expression is always
// parsed, so that it cannot rot, and has no effect otherwise. Neither expression may have side
// effects.
#pragma once

#define CHECK(expression)                                                                          \
    (__builtin_expect(!(expression), 0) ? check_failed(__FILE__, __LINE__, __func__, #expression)  \
                                        : (void)0)

#ifdef RLDB_SLOW_CHECKS
#define CHECK_SLOW(expression) CHECK(expression)
#else
#define CHECK_SLOW(expression) ((void)sizeof(!(expression)))
#endif

// Writes "file:line: function: CHECK(expression) failed" to standard error and aborts.
_Noreturn void check_failed(const char *file, int line, const char *function,
                            const char *expression) __attribute__((cold));
