#include "tests/sim/sim_talk.h"

#include "tests/sim/sim_internal.h"

#include <string.h>

struct bytes {
    uint8_t *at;
    size_t size;
    size_t capacity;
};

struct sim_talk {
    struct sim_world *world;
    struct sim_client *client;
    struct bytes out;
    size_t sent;
    struct bytes in;
    struct bytes heard;
    bool deaf;
    bool shut; // to be, when all is sent
    bool ended;
};

static const uint64_t ns_per_ms = 1000 * 1000;

static void bytes_append(struct bytes *bytes, const void *more, size_t size)
{
    if (bytes->size + size + 1 > bytes->capacity) {
        bytes->capacity = 2 * (bytes->size + size + 1);
        bytes->at = realloc(bytes->at, bytes->capacity);
        CHECK(bytes->at != NULL);
    }
    if (size != 0) {
        memcpy(bytes->at + bytes->size, more, size);
    }
    bytes->size += size;
    bytes->at[bytes->size] = 0;
}

static void talk_move(struct sim_talk *talk)
{
    char bytes[16384];

    if (talk->sent < talk->out.size && !talk->ended) {
        const long sent =
            sim_client_send(talk->client, talk->out.at + talk->sent, talk->out.size - talk->sent);

        talk->sent += sent > 0 ? (size_t)sent : 0;
    }
    if (talk->shut && talk->sent == talk->out.size && sim_client_state(talk->client) == 0) {
        talk->shut = false;
        sim_client_shutdown(talk->client);
    }
    while (!talk->deaf && !talk->ended) {
        const long received = sim_client_recv(talk->client, bytes, sizeof bytes);

        if (received == -EAGAIN) {
            return;
        }
        talk->ended = received <= 0;
        bytes_append(&talk->in, bytes, received > 0 ? (size_t)received : 0);
    }
}

static void talk_ready(struct sim_client *client, void *context)
{
    (void)client;
    talk_move(context);
}

struct sim_talk *sim_talk_open(struct sim_world *world, struct sim_node *node, const char *to)
{
    struct sim_talk *const talk = sim_allocate(sizeof *talk);

    talk->world = world;
    talk->client = sim_client_connect(world, node, to, talk_ready, talk);
    return talk;
}

void sim_talk_close(struct sim_talk *talk, bool reset)
{
    sim_client_close(talk->client, reset);
    free(talk->out.at);
    free(talk->in.at);
    free(talk->heard.at);
    free(talk);
}

void sim_talk_send(struct sim_talk *talk, const void *bytes, size_t size)
{
    bytes_append(&talk->out, bytes, size);
    talk_move(talk);
}

void sim_talk_say(struct sim_talk *talk, const char *text)
{
    sim_talk_send(talk, text, strlen(text));
}

void sim_talk_deaf(struct sim_talk *talk, bool deaf)
{
    talk->deaf = deaf;
    talk_move(talk);
}

void sim_talk_shutdown(struct sim_talk *talk)
{
    talk->shut = true;
    talk_move(talk);
}

const char *sim_talk_hear(struct sim_talk *talk, uint64_t ms, size_t *ret_size)
{
    sim_world_run_until(talk->world, sim_world_now_ns(talk->world) + ms * ns_per_ms);
    talk_move(talk);
    talk->heard.size = 0;
    bytes_append(&talk->heard, talk->in.at, talk->in.size);
    talk->in.size = 0;
    if (ret_size != NULL) {
        *ret_size = talk->heard.size;
    }
    return (const char *)talk->heard.at;
}

bool sim_talk_ended(const struct sim_talk *talk)
{
    return talk->ended;
}
