#include "cli/lines.h"

#include "core/check.h"

#include <errno.h>
#include <string.h>

void lines_start(struct lines *lines, FILE *file, size_t line_bytes_max)
{
    lines->file = file;
    lines->number = 0;
    lines->bytes_read = 0;
    lines->line_bytes_max = line_bytes_max;
    text_init(&lines->line, line_bytes_max);
    lines->begin = 0;
    lines->end = 0;
}

static struct slice lines_without_return(const char *bytes, size_t size)
{
    return slice_of(bytes, size != 0 && bytes[size - 1] == '\r' ? size - 1 : size);
}

static int lines_refuse(const struct lines *lines)
{
    return text_error(&lines->line) == -ENOSPC ? -EFBIG : text_error(&lines->line);
}

int lines_next(struct lines *lines, struct slice *ret_line)
{
    bool begun = false; // something of the line is in `line`

    lines->number++;
    text_clear(&lines->line);
    for (;;) {
        if (lines->begin == lines->end) {
            errno = 0;
            lines->begin = 0;
            lines->end = fread(lines->chunk, 1, sizeof lines->chunk, lines->file);
            if (lines->end == 0 && ferror(lines->file)) {
                return errno != 0 ? -errno : -EIO;
            }
            if (lines->end == 0) {
                *ret_line = lines_without_return(text_c(&lines->line), lines->line.size);
                return begun ? 1 : 0;
            }
        }
        const char *const from = lines->chunk + lines->begin;
        const size_t left = lines->end - lines->begin;
        const char *const newline = memchr(from, '\n', left);
        const size_t size = newline != NULL ? (size_t)(newline - from) : left;

        lines->begin += newline != NULL ? size + 1 : size;
        lines->bytes_read += newline != NULL ? size + 1 : size;
        if (newline != NULL && !begun && size <= lines->line_bytes_max) {
            *ret_line = lines_without_return(from, size);
            return 1;
        }
        text_append(&lines->line, from, size);
        if (text_error(&lines->line) != 0) {
            return lines_refuse(lines);
        }
        begun = true;
        if (newline != NULL) {
            *ret_line = lines_without_return(text_c(&lines->line), lines->line.size);
            return 1;
        }
    }
}

void lines_finish(struct lines *lines)
{
    text_free(&lines->line);
}
