// A session: one connection after another, each with a way of its own to send, to read and to end.
#include "tests/sim/node_load.h"
#include "tests/sim/sim_internal.h"

#include <stdio.h>
#include <string.h>

enum { RECEIVE_BYTES = 16384 };

static const uint64_t us = 1000;
static const uint64_t second_ns = UINT64_C(1000000000);

// What goes out -----------------------------------------------------------------------------------

void session_append(struct session *session, const void *bytes, size_t size)
{
    if (session->out_size + size > session->out_capacity) {
        session->out_capacity = (session->out_size + size) * 2;
        session->out = realloc(session->out, session->out_capacity);
        CHECK(session->out != NULL);
    }
    if (size != 0) {
        memcpy(session->out + session->out_size, bytes, size);
    }
    session->out_size += size;
    session->queued += size;
}

// Call when the request's bytes are appended.
struct request *session_request(struct session *session, enum expect expect)
{
    if (session->request_count == session->request_capacity) {
        session->request_capacity = session->request_capacity * 2 + 64;
        session->requests =
            realloc(session->requests, session->request_capacity * sizeof *session->requests);
        CHECK(session->requests != NULL);
    }
    struct request *const request = &session->requests[session->request_count++];

    *request = (struct request){.expect = (uint8_t)expect, .end = session->queued};
    return request;
}

static void session_note_sent(struct session *session)
{
    struct load *const load = session->load;

    while (session->request_sent < session->request_count &&
           session->requests[session->request_sent].end <= session->sent) {
        const struct request *const request = &session->requests[session->request_sent++];

        for (uint32_t i = 0; i < request->op_count; i++) {
            load->ops[request->op + i].op.invoked_ns = sim_world_now_ns(load->world);
        }
        load->requests++;
    }
}

static void session_send(struct session *session)
{
    size_t size = session->out_size - session->out_at;

    if (session->cuts && size > 1 && load_chance(&session->random, 700)) {
        size = 1 + load_draw(&session->random, (uint32_t)(size < 64 ? size : 64));
    }
    const long sent =
        size == 0 ? 0 : sim_client_send(session->client, session->out + session->out_at, size);

    if (sent > 0) {
        session->out_at += (size_t)sent;
        session->sent += (uint64_t)sent;
        session_note_sent(session);
    }
    if (session->out_at == session->out_size) {
        session->out_at = session->out_size = 0;
    }
}

// What comes back ---------------------------------------------------------------------------------

static void session_disconnect(struct session *session, bool reset)
{
    sim_client_close(session->client, reset);
    session->client = NULL;
    redisReaderFree(session->reader);
    session->reader = NULL;
}

// The next request that is to be answered, or NULL.
static struct request *session_next_reply(struct session *session)
{
    while (session->request_answered < session->request_sent) {
        struct request *const request = &session->requests[session->request_answered];

        if (request->expect != EXPECT_NOTHING) {
            return request;
        }
        session->request_answered++;
    }
    return NULL;
}

static bool reply_is_refusal(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR &&
           strcmp(reply->str, "ERR max number of clients reached") == 0;
}

static void session_take_reply(struct session *session, const redisReply *reply)
{
    struct load *const load = session->load;

    if (load->features.max_clients && reply_is_refusal(reply)) {
        session->may_end = true;
        load->refused++;
        return;
    }
    struct request *const request = session_next_reply(session);

    if (request == NULL) {
        load_fail(load, "session %u, connection %u: a reply to nothing, of type %d '%s'",
                  session->index, session->connection, reply->type,
                  reply->str != NULL ? reply->str : "");
        return;
    }
    session->request_answered++;
    request_answered(session, request, reply);
}

static bool session_all_answered(struct session *session)
{
    return session_next_reply(session) == NULL && session->request_sent == session->request_count;
}

// The node hung up.
static void session_hung_up(struct session *session, bool reset)
{
    struct load *const load = session->load;
    const bool ends = session->end == END_QUIT || session->end == END_HALF ||
                      session->end == END_CUT || session->end == END_BREAK;
    const bool asked = session->ended && ends && session_all_answered(session);
    // Who breaks the protocol may have the answer torn away by what it sent behind it.
    const bool torn = session->ended && session->end == END_BREAK && reset;

    load->ended_by_node += !asked;
    if (!asked && !torn && !session->may_end && !load->stopping) {
        load_fail(load,
                  "session %u, connection %u: %s after %u of %u replies, which nobody asked for",
                  session->index, session->connection, reset ? "reset" : "end of stream",
                  session->request_answered, session->request_sent);
    }
    session_disconnect(session, false);
}

static void session_take_bytes(struct session *session, const char *bytes, size_t size)
{
    void *reply = NULL;

    redisReaderFeed(session->reader, bytes, size);
    while (!session->load->failed) {
        if (redisReaderGetReply(session->reader, &reply) != REDIS_OK) {
            load_fail(session->load, "session %u, connection %u: no RESP: %s", session->index,
                      session->connection, session->reader->errstr);
            return;
        }
        if (reply == NULL) {
            return;
        }
        session_take_reply(session, reply);
        freeReplyObject(reply);
    }
}

static void session_receive(struct session *session, size_t most)
{
    char bytes[RECEIVE_BYTES];

    while (session->client != NULL && most != 0 && !session->load->failed) {
        const size_t room = most < sizeof bytes ? most : sizeof bytes;
        const long received = sim_client_recv(session->client, bytes, room);

        if (received == -EAGAIN) {
            return;
        }
        if (received <= 0) {
            session_hung_up(session, received < 0);
            return;
        }
        most -= (size_t)received;
        session_take_bytes(session, bytes, (size_t)received);
    }
}

static void session_ready(struct sim_client *client, void *context)
{
    struct session *const session = context;

    CHECK(session->client == client);
    if (!session->reads_slowly) {
        session_receive(session, SIZE_MAX);
    }
}

// A connection ------------------------------------------------------------------------------------

static void session_reset_state(struct session *session)
{
    session->connection = session->load->connection_next++;
    session->core = UINT32_MAX;
    session->client_id = 0;
    session->sequence = 0;
    session->out_size = session->out_at = 0;
    session->sent = session->queued = 0;
    session->request_count = session->request_sent = session->request_answered = 0;
    session->ended = session->may_end = session->silent = session->skip_next = false;
    session->scanning = session->burst = session->reads_slowly = false;
    session->cuts = session->inlines = false;
    session->cursor[0] = '0';
    session->cursor[1] = '\0';
    session->reader = redisReaderCreate();
    CHECK(session->reader != NULL);
}

static void session_dial(struct session *session)
{
    struct load *const load = session->load;
    char to[64];
    const uint32_t way = load_draw(&session->random, 10);
    struct sim_node *machine = NULL;

    if (way < 6) {
        (void)snprintf(to, sizeof to, "10.0.0.1:%d", LOAD_PORT);
    } else if (way < 8) {
        session->core = load_draw(&session->random, load->cores);
        (void)snprintf(to, sizeof to, "10.0.0.1:%u", LOAD_PORT + 1 + session->core);
    } else {
        (void)snprintf(to, sizeof to, "unix:/rldb.sock");
        machine = sim_rldb_machine(load->rldb);
    }
    session->client = sim_client_connect(load->world, machine, to, session_ready, session);
}

static enum session_end session_draw_end(struct session *session)
{
    const struct load_features *const features = &session->load->features;

    for (;;) {
        const enum session_end end = load_draw(&session->random, END_KINDS);

        if ((end == END_BREAK && !features->garbage) ||
            ((end == END_ABORT || end == END_RESET || end == END_CUT) && !features->aborts)) {
            continue;
        }
        return end;
    }
}

static void session_connect(struct session *session)
{
    static const uint32_t depths[] = {1, 1, 2, 4, 8, 16, 32, 100};
    struct random *const random = &session->random;
    const struct load_features *const features = &session->load->features;

    session_reset_state(session);
    session->quota = 1 + load_draw(random, 40);
    session->depth = depths[load_draw(random, sizeof depths / sizeof *depths)];
    session->pace_ns = (1 + load_draw(random, 1000)) * us;
    session->end = session_draw_end(session);
    session->cuts = load_chance(random, 300);
    session->inlines = load_chance(random, 200);
    session->reads_slowly = features->slow_readers && load_chance(random, 400);
    session->burst = features->burst && load_chance(random, 300);
    if (session->burst) {
        session->quota = session->depth = 1000 + load_draw(random, 3000);
        session->cuts = false;
    }
    session->may_end =
        features->idle_timeout || features->output_max || features->kill || features->max_clients;
    session_dial(session);
}

void session_connect_plain(struct session *session)
{
    session_reset_state(session);
    session->quota = 0;
    session->depth = UINT32_MAX;
    session->pace_ns = 10 * us;
    session->end = END_QUIT;
    session->client =
        sim_client_connect(session->load->world, NULL, "10.0.0.1:7379", session_ready, session);
}

// The last thing that a connection says.
static void session_say_farewell(struct session *session)
{
    static const char *const broken[] = {"*3\r\n$-5\r\n", "*1\r\n#3\r\n", "*99999999\r\n",
                                         "*2\r\n$3\r\nGET\r\n:1\r\n", "GET \"a\r\n"};

    session->ended = true;
    switch (session->end) {
    case END_QUIT:
        request_plain(session, "QUIT", EXPECT_TEXT, "OK");
        break;
    case END_BREAK: {
        const char *const text = broken[load_draw(&session->random, 5)];

        session_append(session, text, strlen(text));
        (void)session_request(session, session->silent || session->skip_next ? EXPECT_NOTHING
                                                                             : EXPECT_ERROR);
        break;
    }
    case END_CUT: {
        const char text[] = "*3\r\n$3\r\nSET\r\n$5\r\nnever\r\n$5\r\nwrit";

        session_append(session, text, 1 + load_draw(&session->random, sizeof text - 1));
        break;
    }
    default:
        break;
    }
}

static void session_fill(struct session *session)
{
    (void)session_next_reply(session); // passes over what is not answered
    while (session->quota != 0 && session->out_size - session->out_at < 64 * 1024 &&
           session->request_count - session->request_answered < session->depth) {
        session->quota--;
        if (session->burst) {
            request_burst(session);
        } else {
            request_draw(session);
        }
    }
    if (session->quota == 0 && !session->ended) {
        session_say_farewell(session);
    }
}

static bool session_aborts_now(struct session *session)
{
    return (session->end == END_ABORT || session->end == END_RESET) &&
           (session->ended || load_chance(&session->random, 80));
}

// After what was to be said is said.
static void session_finish(struct session *session)
{
    if (session->out_size != 0 || sim_client_state(session->client) == -EINPROGRESS) {
        return;
    }
    if (session->end == END_HALF || session->end == END_CUT) {
        sim_client_shutdown(session->client);
    } else if (session->end == END_CLEAN && session_all_answered(session)) {
        session_disconnect(session, false);
    }
}

static void session_act(void *context);

static void session_act_later(struct session *session)
{
    const bool idles = session->load->features.idle_timeout && load_chance(&session->random, 10);
    const uint64_t delay_ns =
        random_below(&session->random, idles ? 3 * second_ns : session->pace_ns);

    sim_world_at(session->load->world, sim_world_now_ns(session->load->world) + delay_ns,
                 session_act, session);
}

static void session_turn(struct session *session)
{
    const int state = sim_client_state(session->client);

    if (state != 0 && state != -EINPROGRESS) {
        if (!session->load->stopping && !session->may_end) {
            load_fail(session->load, "session %u: cannot connect: %s", session->index,
                      strerror(-state));
        }
        session_disconnect(session, false);
        return;
    }
    session_fill(session);
    if (session_aborts_now(session)) {
        session_send(session);
        session_disconnect(session, session->end == END_RESET);
        return;
    }
    session_send(session);
    if (!session->reads_slowly) {
        session_receive(session, SIZE_MAX);
    } else if (load_chance(&session->random, 100)) {
        session_receive(session, 1 + load_draw(&session->random, 4000));
    }
    if (session->client != NULL && session->ended) {
        session_finish(session);
        session->reads_slowly = session->reads_slowly && load_chance(&session->random, 950);
    }
}

static void session_act(void *context)
{
    struct session *const session = context;
    struct load *const load = session->load;

    if (load->failed) {
        return;
    }
    if (session->client != NULL) {
        session_turn(session);
    } else if (session->connections_left == 0 || load->stopping) {
        session->done = true;
        return;
    } else {
        session->connections_left--;
        session_connect(session);
    }
    session_act_later(session);
}

// Life ----------------------------------------------------------------------------------------

void session_open(struct load *load, struct session *session, uint32_t index)
{
    *session = (struct session){.load = load, .index = index, .pace_ns = 1000 * us};
    random_seed(&session->random, load->seed * LOAD_SESSIONS_MAX * 2 + index);
}

void session_start(struct session *session)
{
    session->connections_left = 1 + load_draw(&session->random, 5);
    session_act_later(session);
}

void session_close(struct session *session)
{
    if (session->client != NULL) {
        session_disconnect(session, true);
    }
    free(session->out);
    free(session->requests);
}

static bool drive_done(void *context)
{
    struct session *const session = context;

    if (session->client != NULL && !session->load->failed) {
        session_send(session);
    }
    return session->client == NULL || session->load->failed;
}

bool session_drive(struct session *session)
{
    struct load *const load = session->load;
    const uint64_t until_ns = sim_world_now_ns(load->world) + 10 * second_ns;

    session_say_farewell(session);
    if (!sim_world_run(load->world, until_ns, drive_done, session)) {
        load_fail(load, "connection %u: %u of %u replies after ten seconds", session->connection,
                  session->request_answered, session->request_count);
    }
    return !load->failed;
}
