// What handlers of commands share: errors in Redis's words, arguments.
#include "cluster/command.h"
#include "cluster/shard.h"
#include "core/memory.h"
#include "core/number.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void exec_error(struct exec *x, const char *text)
{
    x->failed = true;
    if (x->part == NULL) {
        stats_note_error(&x->shard->stats, slice_from_text(text));
    } // else several cores may say it, and the one that is replied is counted (multi.c)
    reply_error_text(&x->reply, text);
}

enum { EXEC_ERROR_BYTES = 64 * 1024 };

void exec_errorf(struct exec *x, const char *format, ...)
{
    char small[1024];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(small, sizeof small, format, arguments);
    va_end(arguments);
    if ((size_t)size < sizeof small) {
        exec_error(x, small);
        return;
    }
    // It repeats a long argument, and is cut where nobody would read on.
    size_t kept = (size_t)size < EXEC_ERROR_BYTES ? (size_t)size + 1 : EXEC_ERROR_BYTES;
    char *text = memory_allocate(kept);
    if (text == NULL) {
        exec_error(x, small);
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, kept, format, arguments);
    va_end(arguments);
    exec_error(x, text);
    memory_free(text);
}

int exec_shown(struct slice argument)
{
    return argument.size < EXEC_ERROR_BYTES ? (int)argument.size : EXEC_ERROR_BYTES;
}

void exec_error_memory(struct exec *x)
{
    exec_error(x, "OOM command not allowed when used memory > 'maxmemory'.");
}

void exec_error_full(struct exec *x)
{
    if (!x->shard->durable) {
        exec_error_memory(x);
        return;
    }
    exec_error(x, "NOSPACE the disk has no room for more; delete keys or make room");
}

void exec_error_too_large(struct exec *x, size_t size)
{
    exec_errorf(x, "TOOLARGE the value has %zu bytes, storage.value_max allows %llu", size,
                (unsigned long long)x->shard->config.storage.value_max_bytes);
}

void exec_error_syntax(struct exec *x)
{
    exec_error(x, "ERR syntax error");
}

void exec_error_not_integer(struct exec *x)
{
    exec_error(x, "ERR value is not an integer or out of range");
}

void exec_error_arity(struct exec *x)
{
    char name[64];
    command_full_name(x->command, name, sizeof name);
    exec_errorf(x, "ERR wrong number of arguments for '%s' command", name);
}

enum { EXEC_ECHO_BYTES = 128 }; // as much of a word as Redis repeats

void exec_error_subcommand(struct exec *x)
{
    const char *name = x->command->parent != NULL ? x->command->parent : x->command->name;
    char upper[32];
    size_t length = strlen(name);
    for (size_t i = 0; i <= length && i < sizeof upper; i++) {
        upper[i] = name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] - 'a' + 'A') : name[i];
    }
    upper[sizeof upper - 1] = '\0';
    size_t size = x->argv[1].size < EXEC_ECHO_BYTES ? x->argv[1].size : EXEC_ECHO_BYTES;
    exec_errorf(x, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                (int)size, (const char *)x->argv[1].bytes, upper);
}

bool exec_integer_32(struct exec *x, uint32_t at, int64_t *ret_value)
{
    int64_t value;
    if (!exec_integer(x, at, &value)) {
        return false;
    }
    if (value < INT32_MIN || value > INT32_MAX) {
        exec_errorf(x, "ERR value is out of range, value must between %d and %d", INT32_MIN,
                    INT32_MAX);
        return false;
    }
    *ret_value = value;
    return true;
}

bool exec_word(const struct exec *x, uint32_t at, const char *lower_case_word)
{
    struct slice argument = x->argv[at];
    return argument.size == strlen(lower_case_word) &&
           strncasecmp((const char *)argument.bytes, lower_case_word, argument.size) == 0;
}

bool exec_integer(struct exec *x, uint32_t at, int64_t *ret_value)
{
    if (number_parse_i64(x->argv[at], ret_value)) {
        return true;
    }
    exec_error_not_integer(x);
    return false;
}

bool exec_copy_argument_bytes(struct slice *argv, uint32_t argc, void **ret_bytes)
{
    size_t size = 1;
    for (uint32_t i = 0; i < argc; i++) {
        size += argv[i].size;
    }
    uint8_t *bytes = memory_allocate(size);
    if (bytes == NULL) {
        return false;
    }
    *ret_bytes = bytes;
    for (uint32_t i = 0; i < argc; i++) {
        if (argv[i].size != 0) {
            memcpy(bytes, argv[i].bytes, argv[i].size);
        }
        argv[i].bytes = bytes;
        bytes += argv[i].size;
    }
    return true;
}
