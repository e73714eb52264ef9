// What all verbs share: errors to the person, calls to the server, JSON out. Declared in verb.h.
#include "cli/output.h"
#include "cli/render.h"
#include "cli/verb.h"
#include "core/check.h"
#include "core/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static __attribute__((format(printf, 2, 0))) void
cli_complain(const struct cli *cli, const char *format, va_list arguments)
{
    struct text line = output_text();

    fflush(stdout);
    output_color(&line, cli->color_errors, COLOR_RED, "rldb: ");
    fputs(text_c(&line), stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    text_free(&line);
}

int cli_fail(const struct cli *cli, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    cli_complain(cli, format, arguments);
    va_end(arguments);
    return EXIT_FAILED;
}

int cli_misused(const struct cli *cli, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    cli_complain(cli, format, arguments);
    va_end(arguments);
    return EXIT_BAD_USAGE;
}

// What to do about an error of the server, where it does not say so itself.
static const char *cli_advice(const char *error)
{
    if (strncmp(error, "NOAUTH", 6) == 0) {
        return " (set RLDB_PASSWORD, or name a user with --user)";
    }
    if (strncmp(error, "ERR unknown command 'RLDB.", 26) == 0) {
        return " (is this an rldb server?)";
    }
    return "";
}

int cli_call(struct cli *cli, int count, const char *const *words, const size_t *sizes,
             redisReply **ret_reply)
{
    redisReply *reply = NULL;

    if (client_call(&cli->client, count, words, sizes, &reply) != 0) {
        return cli_fail(cli, "%s", cli->client.error);
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        struct text error = output_text();

        output_printable(&error, reply->str, reply->len);
        cli_fail(cli, "%s%s", text_c(&error), cli_advice(reply->str));
        text_free(&error);
        freeReplyObject(reply);
        return EXIT_FAILED;
    }
    *ret_reply = reply;
    return EXIT_DONE;
}

int cli_strange_reply(const struct cli *cli, const char *command, const redisReply *reply)
{
    struct text text = output_text();

    render_reply(reply, false, &text);
    cli_fail(cli, "%s was answered with what this version of rldb does not understand: %.200s",
             command, text_c(&text));
    text_free(&text);
    return EXIT_FAILED;
}

static void *cli_allocated(void *memory, size_t size)
{
    if (memory == NULL) {
        fprintf(stderr, "rldb: out of memory: could not get %zu bytes\n", size);
        exit(EXIT_FAILED);
    }
    return memory;
}

void *cli_allocate(size_t size)
{
    return cli_allocated(memory_allocate_zeroed(size), size);
}

void *cli_allocate_aligned(size_t size, size_t alignment)
{
    void *const memory = cli_allocated(memory_allocate_aligned(size, alignment), size);

    memset(memory, 0, size);
    return memory;
}

int cli_print_text(const struct cli *cli, struct text *text)
{
    const int error = text_error(text);

    fwrite(text_c(text), 1, text->size, stdout);
    text_free(text);
    return error == 0 ? EXIT_DONE
                      : cli_fail(cli, "the output is too long for memory: %s", strerror(-error));
}

int cli_print_json(const struct cli *cli, json_t *document)
{
    const size_t flags =
        JSON_ENCODE_ANY | JSON_REAL_PRECISION(9) | (cli->terminal ? JSON_INDENT(2) : JSON_COMPACT);
    const int result = json_dumpf(document, stdout, flags);

    json_decref(document);
    fputc('\n', stdout);
    return result == 0 ? EXIT_DONE : cli_fail(cli, "cannot write to standard output");
}

int cli_flush(const struct cli *cli, int code)
{
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        const char *const reason = errno != 0 ? strerror(errno) : "an earlier write failed";

        clearerr(stdout);
        // After another error this one adds nothing: it was told, or follows from it.
        return code == EXIT_FAILED ? code
                                   : cli_fail(cli, "cannot write to standard output: %s", reason);
    }
    return code;
}
