#include "core/glob.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

struct glob_case {
    const char *pattern;
    const char *matches[4];
    const char *others[6];
};

static const struct glob_case cases[] = {
    {"", {""}, {"a"}},
    {"a", {"a"}, {"", "b", "aa", "A"}},
    {"*", {"a", "abc"}, {""}}, // KEYS * is answered without asking
    {"**", {"a", "abc"}, {""}},
    {"?", {"a", "*"}, {"", "ab"}},
    {"a*", {"a", "ab", "aaa"}, {"", "ba"}},
    {"*a", {"a", "ba", "aaa"}, {"", "ab"}},
    {"a*b", {"ab", "aab", "axxb", "abab"}, {"a", "b", "aba"}},
    {"*a*b*", {"ab", "xaybz", "aabb"}, {"ba", "a", "b"}},
    {"h?llo", {"hello", "h*llo"}, {"hllo", "heello"}},
    {"h[ae]llo", {"hello", "hallo"}, {"hillo", "hllo", "haello"}},
    {"h[^e]llo", {"hallo", "h^llo"}, {"hello", "hllo"}},
    {"[a-c]", {"a", "b", "c"}, {"d", "-", ""}},
    {"[c-a]", {"a", "b", "c"}, {"d", "-"}},
    {"[a\\-c]", {"a", "-", "c"}, {"b", "\\"}},
    {"[\\]]", {"]"}, {"\\", "a"}},
    {"[]", {NULL}, {"", "a", "]", "[]"}},
    {"[]a]", {NULL}, {"]", "a", "aa]", "]a]"}},
    {"[^]", {"a", "]"}, {"", "aa"}},
    {"[", {NULL}, {"[", "a"}},
    {"[^", {"a", "["}, {"", "aa"}},
    {"[a", {"a"}, {"b", "[a", "["}},
    {"[a-", {"a", "-"}, {"b", "["}},
    {"[a-]", {"a", "_", "]"}, {"-", "b"}}, // the range goes from ']' to 'a'
    {"[\\", {"\\"}, {"[", "a"}},
    {"\\*", {"*"}, {"a", "\\*", "\\"}},
    {"\\a", {"a"}, {"\\a", "\\"}},
    {"\\", {"\\"}, {"a", ""}},
    {"a\\", {"a\\"}, {"a", "ab"}},
    {"*[", {NULL}, {"a", "["}},
    {"*\\", {"\\", "a\\"}, {"a"}},
    {"a*?", {"ab", "abc"}, {"a", "b"}},
    {"[\x80-\xff]", {"\x80", "\xff", "\xc3"}, {"a", "\x7f"}},
    {"[a-\x80]", {"\x80", "a", "\xff", "A"}, {"b"}}, // bytes are signed in ranges
};

Test(core_glob, matches_as_redis_does)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct glob_case *const c = &cases[i];
        const struct slice pattern = slice_from_text(c->pattern);

        for (size_t j = 0; j < 4 && c->matches[j] != NULL; j++) {
            cr_expect(glob_match(pattern, slice_from_text(c->matches[j]), false), "%s: %s",
                      c->pattern, c->matches[j]);
        }
        for (size_t j = 0; j < 6 && c->others[j] != NULL; j++) {
            cr_expect_not(glob_match(pattern, slice_from_text(c->others[j]), false), "%s: %s",
                          c->pattern, c->others[j]);
        }
    }
}

static bool ignoring_case(const char *pattern, const char *text)
{
    return glob_match(slice_from_text(pattern), slice_from_text(text), true);
}

Test(core_glob, can_ignore_case)
{
    cr_expect(ignoring_case("aB*", "AbC"));
    cr_expect(ignoring_case("[A-C]", "b"));
    cr_expect(ignoring_case("[abc]", "B"));
    cr_expect_not(ignoring_case("[\\a]", "A"));
    cr_expect_not(ignoring_case("[Z-a]", "b"));
    cr_expect_not(ignoring_case("@", "`"));
    cr_expect(ignoring_case("[\x80-\x90]", "\x85"));
    // The ends are put in order as signed bytes, and cross when they are lowered.
    cr_expect_not(ignoring_case("[a-\x80]", "a"));
}

Test(core_glob, nul_is_a_byte_like_others)
{
    cr_expect(glob_match(slice_of("a\0*", 3), slice_of("a\0b", 3), false));
    cr_expect_not(glob_match(slice_of("a\0", 2), slice_of("a", 1), false));
    cr_expect(glob_match(slice_of("[\0]", 3), slice_of("\0", 1), false));
}

Test(core_glob, a_lone_star_is_known)
{
    cr_expect(glob_matches_all(slice_from_text("*")));
    cr_expect_not(glob_matches_all(slice_from_text("**")));
    cr_expect_not(glob_matches_all(slice_from_text("")));
}

// Ends at all only if it does not try every way to divide the text among the stars.
Test(core_glob, many_stars_take_no_exponential_time, .timeout = 30)
{
    enum { STARS = 60, BYTES = 4000 };
    char pattern[STARS * 2 + 1];
    char *const text = malloc(BYTES);

    for (size_t i = 0; i < STARS; i++) {
        memcpy(pattern + 2 * i, "a*", 2);
    }
    pattern[STARS * 2] = 'b';
    memset(text, 'a', BYTES);
    cr_expect_not(glob_match(slice_of(pattern, sizeof pattern), slice_of(text, BYTES), false));
    text[BYTES - 1] = 'b';
    cr_expect(glob_match(slice_of(pattern, sizeof pattern), slice_of(text, BYTES), false));
    free(text);
}

Test(core_glob, goes_on_where_it_stopped)
{
    static const char *const patterns[] = {"a*[a-c]*??d*", "*ab*ab*", "a*b[^x]*\\**",
                                           "[aaaaaaaaab]*b"};
    static const char *const texts[] = {"aababcxxd", "abab", "ab", "abz*z", "aab", "axbbbbab*"};

    for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++) {
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
            const struct slice pattern = slice_from_text(patterns[p]);
            const struct slice text = slice_from_text(texts[t]);

            for (uint64_t portion = 1; portion < 20; portion++) {
                struct glob glob;
                enum glob_result result = GLOB_MORE;
                uint32_t runs = 0;

                glob_begin(&glob, pattern, text, false);
                while (result == GLOB_MORE) {
                    uint64_t steps = portion;

                    result = glob_run(&glob, &steps);
                    cr_assert_lt(++runs, 1000);
                }
                cr_expect_eq(result == GLOB_MATCH, glob_match(pattern, text, false),
                             "%s, %s by %zu", patterns[p], texts[t], (size_t)portion);
                cr_expect(portion > 1 || runs > 2, "it takes more than one step");
            }
        }
    }
}

// The plainest matcher there is, for patterns of letters, '?' and '*', as a model.
static bool model(const char *pattern, const char *text)
{
    if (*pattern == '\0') {
        return *text == '\0';
    }
    if (*pattern == '*') {
        return model(pattern + 1, text) || (*text != '\0' && model(pattern, text + 1));
    }
    return *text != '\0' && (*pattern == '?' || *pattern == *text) && model(pattern + 1, text + 1);
}

Test(core_glob, matches_as_the_model_does)
{
    for (uint64_t seed = 1; seed <= 50000; seed++) {
        char pattern[9] = {0};
        char text[9] = {0};
        struct random random;

        random_seed(&random, seed);
        for (size_t i = random_below(&random, sizeof pattern); i-- > 0;) {
            pattern[i] = "ab?**"[random_below(&random, 5)];
        }
        for (size_t i = 1 + random_below(&random, sizeof text - 1); i-- > 0;) {
            text[i] = "ab"[random_below(&random, 2)];
        }
        cr_assert_eq(glob_match(slice_from_text(pattern), slice_from_text(text), false),
                     model(pattern, text), "seed %llu: %s, %s", (unsigned long long)seed, pattern,
                     text);
    }
}
