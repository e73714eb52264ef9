// One blocking connection to a server, for every verb but bench: hiredis with what surrounds it,
// that is where to connect, the password, and errors that say what to do.
//
// The connection is made by the first call. It speaks RESP2, since hiredis 0.14 knows no other, and
// so maps arrive as flat arrays.
#pragma once

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    CLIENT_PORT_DEFAULT = 7379,
    CLIENT_ERROR_SIZE = 512, // a path, a reason, an advice
    CLIENT_PASSWORD_SIZE = 512,
};

struct target {
    const char *host;
    int port;
    const char *socket_path; // NULL: host and port
    const char *user;        // NULL: the default user
    double timeout_seconds;  // to connect, and for each answer; 0: for ever
};

struct client {
    struct target target;
    redisContext *context;         // NULL while not connected
    char error[CLIENT_ERROR_SIZE]; // why the last call failed
    bool unheard;                  // the server takes no more; what it said is still read
    bool interruptible;            // Ctrl-C ends a wait for a reply: see interrupt.h

    // What client_password found, so that a person is asked only once. Wiped by client_forget.
    bool password_known;
    char password[CLIENT_PASSWORD_SIZE];
};

// "127.0.0.1:7379" or "unix:/run/rldb.sock", cut to `size`.
void client_name(const struct client *client, char *name, size_t size);

// Connects and authenticates; does nothing when connected. The password is the variable
// RLDB_PASSWORD; without it, when a user is named, it is asked for on the terminal, without echo.
// It is never an argument, which everyone on the machine could read. 0 or -errno.
int client_connect(struct client *client);

// Sends one command and waits for its reply, which the caller frees with freeReplyObject. `sizes`
// may be NULL: all words are C strings then. An error reply of the server is a reply. 0, or -errno
// when there is no reply: the connection is closed then, and the next call makes a new one.
int client_call(struct client *client, int count, const char *const *words, const size_t *sizes,
                redisReply **ret_reply);

// The two halves of client_call, for pipelines: as many receives as appends. -EINTR: Ctrl-C.
int client_append(struct client *client, int count, const char *const *words, const size_t *sizes);
int client_receive(struct client *client, redisReply **ret_reply);

void client_close(struct client *client);

// The password: from RLDB_PASSWORD, or asked for when a user is named. *ret_password is NULL when
// none is needed, else it is valid as long as the client and the environment. 0, or -errno with
// `error` set.
int client_password(struct client *client, const char **ret_password);

// Wipes the password from memory.
void client_forget(struct client *client);
