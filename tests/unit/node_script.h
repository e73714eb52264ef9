// Requests in RESP that a test makes, and the replies that it expects of them: two texts that grow
// side by side, sent and compared whole.
#pragma once

#include "core/text.h"
#include "tests/unit/node_story.h"

#include <stdarg.h>

enum { SCRIPT_BYTES_MAX = 64 << 20 };

struct script {
    struct text say;
    struct text hear;
};

static inline void script_open(struct script *script)
{
    text_init(&script->say, SCRIPT_BYTES_MAX);
    text_init(&script->hear, SCRIPT_BYTES_MAX);
}

static inline void script_close(struct script *script)
{
    text_free(&script->say);
    text_free(&script->hear);
}

static inline void script_bulk(struct text *text, struct slice bytes)
{
    text_printf(text, "$%zu\r\n", bytes.size);
    text_append(text, bytes.bytes, bytes.size);
    text_string(text, "\r\n");
}

static inline void script_request(struct script *script, const struct slice *argv, uint32_t argc)
{
    text_printf(&script->say, "*%u\r\n", argc);
    for (uint32_t i = 0; i < argc; i++) {
        script_bulk(&script->say, argv[i]);
    }
}

// A request of up to 16 words, which end with NULL.
static inline void script_words(struct script *script, const char *name, ...)
{
    struct slice argv[16];
    uint32_t argc = 0;
    va_list words;

    va_start(words, name);
    for (const char *word = name; word != NULL; word = va_arg(words, const char *)) {
        cr_assert_lt(argc, 16);
        argv[argc++] = slice_from_text(word);
    }
    va_end(words);
    script_request(script, argv, argc);
}

// What is expected: "+OK", ":7", "-ERR ..."; CRLF is added.
static inline void script_hears(struct script *script, const char *line)
{
    text_printf(&script->hear, "%s\r\n", line);
}

static inline void script_hears_bulk(struct script *script, struct slice bytes)
{
    script_bulk(&script->hear, bytes);
}

// Says all of it, lets the world run, and compares; begins anew. `ms` for all of it, at most.
static inline void script_play(struct script *script, struct sim_talk *talk, uint64_t ms)
{
    const struct slice say = text_slice(&script->say), hear = text_slice(&script->hear);
    size_t at = 0, size = 0;

    cr_assert_eq(text_error(&script->say), 0);
    cr_assert_eq(text_error(&script->hear), 0);
    sim_talk_send(talk, say.bytes, say.size);
    for (uint64_t waited = 0; at < hear.size && waited <= ms; waited += 5) {
        const char *const heard = sim_talk_hear(talk, 5, &size);

        cr_assert_leq(size, hear.size - at, "more than was expected: %.300s", heard);
        if (memcmp(heard, hear.bytes + at, size) != 0) {
            size_t same = 0;

            while (heard[same] == (char)hear.bytes[at + same]) {
                same++;
            }
            const size_t from = same < 60 ? 0 : same - 60;

            cr_assert_fail("after %zu bytes: heard %.200s, expected %.200s", at + same,
                           heard + from, (const char *)hear.bytes + at + from);
        }
        at += size;
    }
    cr_assert_eq(at, hear.size, "only %zu of %zu bytes", at, hear.size);
    text_clear(&script->say);
    text_clear(&script->hear);
}
