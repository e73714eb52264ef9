#include "cli/output.h"

#include "core/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OUTPUT_BYTES_MAX = 1 << 30
}; // a reply can be half of that, and its quoted form four times as long

struct text output_text(void)
{
    struct text text;

    text_init(&text, OUTPUT_BYTES_MAX);
    return text;
}

void output_char(struct text *text, char appended)
{
    text_append(text, &appended, 1);
}

void output_repeat(struct text *text, char appended, size_t count)
{
    for (; count != 0; count--) {
        output_char(text, appended);
    }
}

bool output_colored(const FILE *file)
{
    const char *const no_color = getenv("NO_COLOR");
    const char *const terminal = getenv("TERM");

    if (no_color != NULL && no_color[0] != '\0') {
        return false;
    }
    if (terminal != NULL && strcmp(terminal, "dumb") == 0) {
        return false;
    }
    return isatty(fileno((FILE *)file)) == 1;
}

void output_color(struct text *text, bool colored, enum color color, const char *word)
{
    static const char *const codes[] = {
        [COLOR_PLAIN] = "0",   [COLOR_BOLD] = "1", [COLOR_DIM] = "2",   [COLOR_GREEN] = "32",
        [COLOR_YELLOW] = "33", [COLOR_RED] = "31", [COLOR_CYAN] = "36",
    };

    if (!colored || color == COLOR_PLAIN) {
        text_string(text, word);
    } else {
        text_printf(text, "\033[%sm%s\033[0m", codes[color], word);
    }
}

static void output_hex(struct text *text, uint8_t byte)
{
    text_printf(text, "\\x%02x", byte);
}

void output_quoted(struct text *text, const void *bytes, size_t size)
{
    const uint8_t *const from = bytes;

    output_char(text, '"');
    for (size_t i = 0; i < size; i++) {
        const char *const letters = "\"\\\n\r\t\a\b";
        const char *const found = from[i] != 0 ? strchr(letters, from[i]) : NULL;

        if (found != NULL) {
            output_char(text, '\\');
            output_char(text, "\"\\nrtab"[found - letters]);
        } else if (from[i] >= 0x20 && from[i] < 0x7f) {
            output_char(text, (char)from[i]);
        } else {
            output_hex(text, from[i]);
        }
    }
    output_char(text, '"');
}

// The length of the UTF-8 sequence at `bytes`, 0 when there is none: RFC 3629, section 4.
static size_t output_utf8_length(const uint8_t *bytes, size_t size)
{
    const uint8_t first = bytes[0];
    size_t length = 0;
    uint8_t low = 0x80;
    uint8_t high = 0xbf;

    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        length = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        low = first == 0xe0 ? 0xa0 : low;   // shorter forms exist
        high = first == 0xed ? 0x9f : high; // surrogates
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        low = first == 0xf0 ? 0x90 : low;
        high = first == 0xf4 ? 0x8f : high; // beyond U+10FFFF
    }
    if (length == 0 || length > size || bytes[1] < low || bytes[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

bool output_is_utf8(const void *bytes, size_t size)
{
    const uint8_t *const from = bytes;
    size_t at = 0;

    while (at < size) {
        const size_t length = output_utf8_length(from + at, size - at);

        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

void output_printable(struct text *text, const void *bytes, size_t size)
{
    const uint8_t *const from = bytes;
    size_t at = 0;

    while (at < size) {
        const size_t length = output_utf8_length(from + at, size - at);
        const bool control = from[at] < 0x20 || from[at] == 0x7f ||
                             (length == 2 && from[at] == 0xc2 && from[at + 1] < 0xa0);

        if (length == 0 || control) {
            output_hex(text, from[at]);
            at += 1;
        } else {
            text_append(text, from + at, length);
            at += length;
        }
    }
}

void output_lines(struct text *text, const void *bytes, size_t size)
{
    const char *const from = bytes;
    size_t at = 0;

    for (size_t i = 0; i < size; i++) {
        if (from[i] == '\n' || from[i] == '\t') {
            output_printable(text, from + at, i - at);
            output_char(text, from[i]);
            at = i + 1;
        }
    }
    if (at < size) {
        output_printable(text, from + at, size - at);
    }
}

// Three significant digits, without a point where they are all before it.
static void output_significant(struct text *text, double number, const char *unit)
{
    const int decimals = number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2;

    text_printf(text, "%.*f%s", decimals, number, unit);
}

void output_bytes(struct text *text, double bytes)
{
    static const char *const units[] = {" KiB", " MiB", " GiB", " TiB", " PiB"};
    size_t unit = 0;

    if (bytes < 1024) {
        text_printf(text, "%.0f B", bytes);
        return;
    }
    for (bytes /= 1024; bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]; unit++) {
        bytes /= 1024;
    }
    output_significant(text, bytes, units[unit]);
}

void output_count(struct text *text, double count)
{
    if (count < 1000) {
        text_printf(text, "%.*f", count == floor(count) || count >= 100 ? 0 : 1, count);
    } else if (count < 999.5e3) {
        output_significant(text, count / 1e3, "k");
    } else if (count < 999.5e6) {
        output_significant(text, count / 1e6, "M");
    } else {
        output_significant(text, count / 1e9, "G");
    }
}

void output_duration(struct text *text, double seconds)
{
    if (seconds < 0) {
        output_char(text, '-');
        seconds = -seconds;
    }
    if (seconds < 999.5e-9) {
        text_printf(text, "%.0f ns", seconds * 1e9);
    } else if (seconds < 999.5e-6) {
        output_significant(text, seconds * 1e6, " us");
    } else if (seconds < 0.9995) {
        output_significant(text, seconds * 1e3, " ms");
    } else if (seconds < 60) {
        output_significant(text, seconds, " s");
    } else {
        const uint64_t whole = (uint64_t)seconds;

        if (whole < 3600) {
            text_printf(text, "%um %02us", (unsigned)(whole / 60), (unsigned)(whole % 60));
        } else if (whole < 86400) {
            text_printf(text, "%uh %02um", (unsigned)(whole / 3600), (unsigned)(whole / 60 % 60));
        } else {
            text_printf(text, "%llud %02uh", (unsigned long long)(whole / 86400),
                        (unsigned)(whole / 3600 % 24));
        }
    }
}
