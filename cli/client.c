#include "cli/client.h"

#include "cli/interrupt.h"
#include "core/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

void client_name(const struct client *client, char *name, size_t size)
{
    const struct target *const target = &client->target;

    if (target->socket_path != NULL) {
        snprintf(name, size, "unix:%s", target->socket_path);
    } else {
        snprintf(name, size, strchr(target->host, ':') != NULL ? "[%s]:%d" : "%s:%d", target->host,
                 target->port);
    }
}

static struct timeval client_timeval(double seconds)
{
    const long long microseconds = (long long)(seconds * 1e6);

    return (struct timeval){.tv_sec = microseconds / 1000000, .tv_usec = microseconds % 1000000};
}

static int client_timed_out(struct client *client, const char *what, const char *name)
{
    snprintf(client->error, sizeof client->error, "%s %s: no answer within %g s (see --timeout)",
             what, name, client->target.timeout_seconds);
    return ETIMEDOUT;
}

// Says why the context failed, closes it, and returns -errno.
static int client_fail(struct client *client, const char *what, const char *advice)
{
    char name[128];
    int error = EIO;

    client_name(client, name, sizeof name);
    if (client->context == NULL) {
        snprintf(client->error, sizeof client->error, "%s %s: out of memory", what, name);
        return -ENOMEM;
    }
    if (client->context->err == REDIS_ERR_IO && errno == EAGAIN) {
        snprintf(client->error, sizeof client->error,
                 "%s %s: no answer within %g s (see --timeout)", what, name,
                 client->target.timeout_seconds);
        error = ETIMEDOUT;
    } else {
        snprintf(client->error, sizeof client->error, "%s %s: %s%s", what, name,
                 client->context->errstr, advice);
    }
    client_close(client);
    return -error;
}

// Asks on the terminal, without echo. 0, or -ENXIO without a terminal.
static int client_ask_password(char *password, size_t size)
{
    static const char prompt[] = "Password: ";
    const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before;
    size_t length = 0;
    char byte = 0;

    CHECK(size > 0);
    if (terminal < 0 || tcgetattr(terminal, &before) != 0) {
        if (terminal >= 0) {
            close(terminal);
        }
        return -ENXIO;
    }
    struct termios silent = before;

    silent.c_lflag &= (tcflag_t) ~(ECHO);
    silent.c_lflag |= ECHONL;
    tcsetattr(terminal, TCSAFLUSH, &silent);
    ssize_t written = write(terminal, prompt, sizeof prompt - 1);

    while (written > 0 && read(terminal, &byte, 1) == 1 && byte != '\n' && length + 1 < size) {
        password[length++] = byte;
    }
    password[length] = '\0';
    tcsetattr(terminal, TCSAFLUSH, &before);
    close(terminal);
    return 0;
}

int client_password(struct client *client, const char **ret_password)
{
    const char *const variable = getenv("RLDB_PASSWORD");
    int error = 0;

    if (variable == NULL && client->target.user == NULL) {
        *ret_password = NULL;
        return 0;
    }
    if (variable != NULL) {
        *ret_password = variable;
        return 0;
    }
    if (!client->password_known) {
        error = client_ask_password(client->password, sizeof client->password);
        if (error != 0) {
            snprintf(
                client->error, sizeof client->error,
                "no password for user %.64s: set RLDB_PASSWORD, there is no terminal to ask on",
                client->target.user);
            return error;
        }
        client->password_known = true;
    }
    *ret_password = client->password;
    return 0;
}

void client_forget(struct client *client)
{
    explicit_bzero(client->password, sizeof client->password);
    client->password_known = false;
}

// Sends AUTH when there is a password.
static int client_authenticate(struct client *client)
{
    const char *const user = client->target.user;
    const char *password = NULL;
    redisReply *reply = NULL;
    int error = client_password(client, &password);

    if (error != 0 || password == NULL) {
        return error;
    }
    const char *words[3] = {"AUTH", user != NULL ? user : password, password};

    reply = redisCommandArgv(client->context, user != NULL ? 3 : 2, words, NULL);
    if (reply == NULL) {
        return client_fail(client, "lost", "");
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        snprintf(client->error, sizeof client->error, "not let in: %.200s", reply->str);
        client_forget(client);
        error = -EACCES;
    }
    freeReplyObject(reply);
    return error;
}

int client_connect(struct client *client)
{
    const struct target *const target = &client->target;
    const struct timeval timeout = client_timeval(target->timeout_seconds);
    int error = 0;

    if (client->context != NULL) {
        return 0;
    }
    errno = 0;
    if (target->socket_path != NULL) {
        client->context = target->timeout_seconds > 0
                              ? redisConnectUnixWithTimeout(target->socket_path, timeout)
                              : redisConnectUnix(target->socket_path);
    } else {
        client->context = target->timeout_seconds > 0
                              ? redisConnectWithTimeout(target->host, target->port, timeout)
                              : redisConnect(target->host, target->port);
    }
    if (client->context == NULL || client->context->err != 0) {
        return client_fail(client, "cannot connect to",
                           ". Is rldbd running there? -h, -p and -s say where to look");
    }
    if (target->timeout_seconds > 0) {
        redisSetTimeout(client->context, timeout);
    }
    error = client_authenticate(client);
    if (error != 0) {
        client_close(client);
    }
    return error;
}

int client_append(struct client *client, int count, const char *const *words, const size_t *sizes)
{
    const int error = client_connect(client);

    CHECK(count > 0);
    if (error != 0) {
        return error;
    }
    // hiredis reads the words only; its prototype forgot to say so.
    if (redisAppendCommandArgv(client->context, count, (const char **)words, sizes) != REDIS_OK) {
        return client_fail(client, "cannot send to", "");
    }
    return 0;
}

// Sends what is appended. A server that refuses what it is being sent closes while we still send,
// and what it said before is there to be read: that it takes no more is no failure yet.
static int client_send(struct client *client)
{
    int sent = client->unheard;

    while (sent == 0) {
        if (redisBufferWrite(client->context, &sent) == REDIS_OK) {
            continue;
        }
        if (errno != EPIPE && errno != ECONNRESET) {
            return client_fail(client, "cannot send to", "");
        }
        client->unheard = true;
        client->context->err = 0;
        sent = 1;
    }
    return 0;
}

// Waits until something can be read or Ctrl-C is pressed. 0 or -errno.
static int client_wait(struct client *client)
{
    const double seconds = client->target.timeout_seconds;
    const struct timespec time = {.tv_sec = (time_t)seconds,
                                  .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    struct pollfd descriptor = {.fd = client->context->fd, .events = POLLIN};
    const int ready = interrupt_wait(&descriptor, 1, seconds > 0 ? &time : NULL);

    if (ready > 0) {
        return 0;
    }
    if (ready == 0) {
        char name[128];

        client_name(client, name, sizeof name);
        client_timed_out(client, "lost", name);
    } else {
        snprintf(client->error, sizeof client->error, "interrupted");
    }
    client_close(client);
    return ready == 0 ? -ETIMEDOUT : ready;
}

int client_receive(struct client *client, redisReply **ret_reply)
{
    void *reply = NULL;

    CHECK(client->context != NULL);
    errno = 0;
    for (;;) {
        if (redisGetReplyFromReader(client->context, &reply) != REDIS_OK) {
            return client_fail(client, "lost", "");
        }
        if (reply != NULL) {
            *ret_reply = reply;
            return 0;
        }
        int error = client_send(client);

        // hiredis by itself would go on waiting after a signal.
        error = error == 0 && client->interruptible ? client_wait(client) : error;
        if (error != 0) {
            return error;
        }
        if (redisBufferRead(client->context) != REDIS_OK) {
            return client_fail(client, "lost", "");
        }
    }
}

int client_call(struct client *client, int count, const char *const *words, const size_t *sizes,
                redisReply **ret_reply)
{
    const int error = client_append(client, count, words, sizes);

    return error != 0 ? error : client_receive(client, ret_reply);
}

void client_close(struct client *client)
{
    if (client->context != NULL) {
        redisFree(client->context);
        client->context = NULL;
        client->unheard = false;
    }
}
