// Assertions: what holds costs nothing, what does not ends the process and says where.
#include "core/check.h"

#include <criterion/criterion.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// How a child that runs `function` ends, and the first line that it writes to standard error.
static int end_of(void (*function)(void), char *line, int size)
{
    int pipes[2], status = 0;

    cr_assert_eq(pipe(pipes), 0);
    const pid_t child = fork();

    cr_assert_geq(child, 0);
    if (child == 0) {
        dup2(pipes[1], STDERR_FILENO);
        close(pipes[0]);
        signal(SIGABRT, SIG_DFL);
        function();
        _exit(17);
    }
    close(pipes[1]);
    FILE *const said = fdopen(pipes[0], "r");

    cr_assert_not_null(said);
    line[0] = '\0';
    (void)(fgets(line, size, said) == NULL);
    fclose(said);
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

static void holds(void)
{
    const int one = 1;

    CHECK(one == 1);
    CHECK_SLOW(one == 1);
}

static void does_not_hold(void)
{
    const int one = 1;

    CHECK(one % 2 == 0);
}

static void does_not_hold_slowly(void)
{
    const int one = 1;

    CHECK_SLOW(one % 2 == 0);
}

Test(core_check, what_holds_goes_on)
{
    char line[256];
    const int status = end_of(holds, line, sizeof line);

    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 17);
    cr_expect_str_eq(line, "");
}

Test(core_check, what_does_not_hold_says_where_and_aborts)
{
    char line[256];
    const int status = end_of(does_not_hold, line, sizeof line);

    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%x", status);
    cr_expect_not_null(strstr(line, "core_check.c:"), "%s", line);
    cr_expect_not_null(strstr(line, ": does_not_hold: CHECK(one % 2 == 0) failed\n"), "%s", line);
}

Test(core_check, what_costs_is_checked_in_debug_builds)
{
    char line[256];
    const int status = end_of(does_not_hold_slowly, line, sizeof line);

#ifdef RLDB_SLOW_CHECKS
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%x", status);
#else
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 17, "%x", status);
#endif
}

static unsigned called;

static int count_call(void)
{
    called++;
    return 1;
}

// An expression without RLDB_SLOW_CHECKS is parsed and not run.
Test(core_check, an_expression_is_evaluated_once_or_not_at_all)
{
    CHECK(count_call() == 1);
    cr_expect_eq(called, 1);
    CHECK_SLOW(count_call() == 1);
#ifdef RLDB_SLOW_CHECKS
    cr_expect_eq(called, 2);
#else
    cr_expect_eq(called, 1);
#endif
}
