// A session: one connection after another, each with a way of its own to send, to read and to end.
#include "tests/sim/node_load.h"
#include "tests/sim/sim_internal.h"

#include <stdio.h>
#include <string.h>

enum {
    RECEIVE_BYTES = 16384,
    PACE_US_MAX = 1000,    // in the bursts of a short run
    THINK_US_LOG_MIN = 10, // in a long run, where clients think as people's programs do: from 64 us
    THINK_US_LOG_MAX = 20, // to half a second, each power of two as likely
    QUOTA_LOG_MAX = 11,    // as likely, of the requests of a connection there
    WAIT_MS_MAX = 50,      // between two looks of who waits for an answer
    WAITS_LOG_MAX = 16,    // turns in vain in a row: each looks up to twice as late as the last
    SLOW_TURNS = 10,       // for which a slow reader does not read
    FREEZES_PER_MILLE = 100,
};

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

    *request = (struct request){
        .expect = (uint8_t)expect, .protocol = session->protocol, .end = session->queued};
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

void session_send(struct session *session)
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
    sim_replies_close(&session->replies);
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

static bool reply_is_refusal(const struct sim_reply *reply)
{
    return reply->type == SIM_ERROR &&
           strcmp(reply->text, "ERR max number of clients reached") == 0;
}

static void session_take_reply(struct session *session, const struct sim_reply *reply)
{
    struct load *const load = session->load;

    if (load->features.max_clients && reply_is_refusal(reply)) {
        session->may_end = true;
        load_mark(load, MARK_CLIENTS_MAX, true);
        return;
    }
    struct request *const request = session_next_reply(session);

    if (request == NULL) {
        load_fail(load, SIM_ORACLE_REPLIES,
                  "session %u, connection %u: a reply to nothing, of type %d '%.100s'",
                  session->index, session->connection, reply->type, reply->text);
        return;
    }
    session->request_answered++;
    sim_world_say(load->world, "connection %u: %s-> type %d, %lld, '%.20s'", session->connection,
                  request->what, reply->type, (long long)reply->integer, reply->text);
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

    load_mark(load, MARK_KILLED, !asked && load->features.kill && session->was_killed);
    load_mark(load, MARK_IDLE_CLOSED,
              !asked && load->features.idle_timeout && session_all_answered(session));
    if (!asked && !torn && !session->may_end && !load->stopping) {
        load_fail(load, SIM_ORACLE_HANG_UP,
                  "session %u, connection %u: %s after %u of %u replies, which nobody asked for",
                  session->index, session->connection, reset ? "reset" : "end of stream",
                  session->request_answered, session->request_sent);
    }
    if (!asked && session->frozen_until_ns == 0 && load_breaks(load) &&
        load_chance(&session->random, 700)) {
        session->connections_left++; // it has more to say
    }
    session_disconnect(session, false);
}

// The protocol of a reply is that of its request.
static void session_expect_protocol(struct session *session)
{
    const struct request *const request = session_next_reply(session);

    if (request != NULL) {
        sim_replies_protocol(&session->replies, request->protocol == 3);
    }
}

static void session_take_bytes(struct session *session, const char *bytes, size_t size)
{
    struct sim_reply *reply = NULL;

    sim_replies_feed(&session->replies, bytes, size);
    do {
        session_expect_protocol(session);
        reply = sim_replies_next(&session->replies);
        if (reply != NULL) {
            session_take_reply(session, reply);
        }
        sim_reply_free(reply);
    } while (reply != NULL && !session->load->failed);
    if (session->replies.error != NULL) {
        load_fail(session->load, SIM_ORACLE_REPLIES, "session %u, connection %u: %s",
                  session->index, session->connection, session->replies.error);
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
            load_mark(session->load, MARK_RECONNECTED, received == -ECONNREFUSED);
            session_hung_up(session, received < 0);
            return;
        }
        most -= (size_t)received;
        session_take_bytes(session, bytes, (size_t)received);
    }
}

static bool session_is_frozen(const struct session *session)
{
    return sim_world_now_ns(session->load->world) < session->frozen_until_ns;
}

// Who has waited for an answer goes on soon after it.
static void session_hasten(struct session *session)
{
    struct sim_world *const world = session->load->world;
    const uint64_t at_ns =
        sim_world_now_ns(world) + random_below(&session->random, session->pace_ns);

    if (session->event.place != 0 && session->event.at_ns > at_ns) {
        sim_schedule(world, &session->event, at_ns);
    }
}

static void session_ready(struct sim_client *client, void *context)
{
    struct session *const session = context;
    const uint32_t answered = session->request_answered;

    CHECK(session->client == client);
    if (session->reads_slowly || session_is_frozen(session)) {
        return;
    }
    session_receive(session, SIZE_MAX);
    if (session->waits != 0 && (session->client == NULL || session->request_answered != answered)) {
        session->waits = 0;
        session_hasten(session);
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
    session->cuts = session->inlines = session->pushes = false;
    session->was_killed = false;
    session->protocol = 2;
    session->began_ns = sim_world_now_ns(session->load->world);
    session->frozen_until_ns = 0;
    session->cursor[0] = '0';
    session->cursor[1] = '\0';
    sim_replies_open(&session->replies);
}

static void session_dial(struct session *session)
{
    struct load *const load = session->load;
    char to[64];
    const uint32_t way = load_draw(&session->random, 10);
    struct sim_node *machine = NULL;

    if (way < 6) {
        (void)snprintf(to, sizeof to, "%s:%d", load->ip, LOAD_PORT);
    } else if (way < 8) {
        session->core = load_draw(&session->random, load->cores);
        (void)snprintf(to, sizeof to, "%s:%u", load->ip, LOAD_PORT + 1 + session->core);
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

// Once: at the end, or where it may take a while, at the beginning.
static bool session_may_freeze(struct session *session)
{
    if (!session->load->run->is_long) {
        return session->connections_left == 0;
    }
    return session->connections_left != 0 && load_chance(&session->random, FREEZES_PER_MILLE);
}

// Asks for much, and reads nothing of it for more than the minute after which the node ends that.
static void session_freeze(struct session *session)
{
    const uint64_t time_ns = (40 + load_draw(&session->random, 50)) * second_ns;

    session->frozen_until_ns = sim_world_now_ns(session->load->world) + time_ns;
    session->quota = 60;
    session->depth = UINT32_MAX;
    session->burst = false;
    session->reads_slowly = false;
    session->cuts = false;
    session->end = END_CLEAN;
    session->may_end = true;
    if (session->load->run->is_long) { // there is load meanwhile
        session->pace_ns = PACE_US_MAX * us;
        session->load->run->round_until_ns = session->frozen_until_ns;
    }
}

// More than a connection may leave waiting, behind a pause that it asked for itself.
static void session_push(struct session *session)
{
    session->pushes = true;
    session->burst = session->reads_slowly = session->cuts = session->inlines = false;
    session->quota = 80;
    session->depth = 100;
    request_plain(session, "CLIENT PAUSE 150", EXPECT_TEXT, "OK");
}

// How much it asks for, and how quickly.
static void session_draw_pace(struct session *session)
{
    struct random *const random = &session->random;

    if (session->load->run->is_long) {
        session->quota = (uint32_t)load_draw_bits(random, 0, QUOTA_LOG_MAX);
        session->pace_ns = load_draw_bits(random, THINK_US_LOG_MIN, THINK_US_LOG_MAX) * us;
    } else {
        session->quota = 1 + load_draw(random, 40);
        session->pace_ns = (1 + load_draw(random, PACE_US_MAX)) * us;
    }
}

static void session_connect(struct session *session)
{
    static const uint32_t depths[] = {1, 1, 2, 4, 8, 16, 32, 100};
    struct random *const random = &session->random;
    const struct load_features *const features = &session->load->features;

    session_reset_state(session);
    session_draw_pace(session);
    session->depth = depths[load_draw(random, sizeof depths / sizeof *depths)];
    session->end = session_draw_end(session);
    session->cuts = load_chance(random, 300);
    session->inlines = load_chance(random, 200);
    session->reads_slowly = features->slow_readers && load_chance(random, 400);
    session->burst = features->burst && load_chance(random, session->load->run->is_long ? 3 : 300);
    if (session->burst) {
        session->quota = session->depth = 1000 + load_draw(random, 3000);
        session->cuts = false;
    }
    session->may_end = features->idle_timeout || features->output_max || features->kill ||
                       features->max_clients || load_breaks(session->load);
    if (features->frozen && session->index < 2 && session_may_freeze(session)) {
        session_freeze(session);
    } else if (features->large && features->pause && load_chance(random, 100)) {
        session_push(session);
    }
    session_dial(session);
    if (features->resp3 && load_chance(random, 500)) {
        request_hello(session, 3);
    }
}

void session_connect_plain(struct session *session)
{
    session_reset_state(session);
    session->quota = 0;
    session->depth = UINT32_MAX;
    session->pace_ns = 10 * us;
    session->end = END_QUIT;
    char to[64];

    (void)snprintf(to, sizeof to, "%s:%d", session->load->ip, LOAD_PORT);
    session->client = sim_client_connect(session->load->world, NULL, to, session_ready, session);
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

// Whether a long run's round goes on.
static bool session_stays(const struct session *session)
{
    const struct run *const run = session->load->run;

    return run->is_long && sim_world_now_ns(run->world) < run->round_until_ns;
}

static void session_fill(struct session *session)
{
    (void)session_next_reply(session); // passes over what is not answered
    if (session->load->run->is_long && !session_stays(session)) {
        session->quota = 0;
    }
    while (session->quota != 0 && session->out_size - session->out_at < 64 * 1024 &&
           session->request_count - session->request_answered < session->depth) {
        session->quota--;
        if (session->frozen_until_ns != 0) {
            request_large(session);
        } else if (session->pushes) {
            request_push(session);
        } else if (session->burst) {
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

// When the faults have been over for a while nobody takes his time any more: who sends hundreds of
// KB in pieces of 64 bytes, or reads them so, would not be through before the run has to be.
static bool session_hurries(const struct session *session)
{
    return !session_stays(session) &&
           sim_world_now_ns(session->load->world) >= session->load->run->patient_until_ns;
}

// Until its next turn. Who has nothing to do but to wait looks less and less often: the answer
// hastens it (session_ready()).
static uint64_t session_delay_ns(struct session *session)
{
    const uint64_t wait_ns = WAIT_MS_MAX * 1000 * us;
    const bool waits = session->out_size == 0 && !session->reads_slowly &&
                       session->request_answered == session->answered_before &&
                       session->client != NULL;
    uint64_t most_ns = session->pace_ns;

    if (session_hurries(session)) {
        most_ns = most_ns < PACE_US_MAX * us ? most_ns : PACE_US_MAX * us;
    } else if (session->load->features.idle_timeout && load_chance(&session->random, 10)) {
        most_ns = 3 * second_ns;
    }
    session->answered_before = session->request_answered;
    session->waits = waits ? session->waits + 1 : 0;
    if (session_is_frozen(session)) {
        most_ns = most_ns > wait_ns ? most_ns : wait_ns;
    } else if (waits && most_ns < wait_ns) {
        most_ns <<= session->waits < WAITS_LOG_MAX ? session->waits : WAITS_LOG_MAX;
        most_ns = most_ns < wait_ns ? most_ns : wait_ns;
    } else if (session->reads_slowly && session->out_size == 0 && most_ns < second_ns) {
        most_ns *= SLOW_TURNS; // of a longer rest it would not be back before the run ends
    }
    return random_below(&session->random, most_ns);
}

static void session_act_later(struct session *session)
{
    sim_schedule(session->load->world, &session->event,
                 sim_world_now_ns(session->load->world) + session_delay_ns(session));
}

static void session_turn(struct session *session)
{
    const int state = sim_client_state(session->client);

    session->reads_slowly = session->reads_slowly && !session_hurries(session);
    session->cuts = session->cuts && !session_hurries(session);
    if (state != 0 && state != -EINPROGRESS) {
        if (!session->load->stopping && !session->may_end) {
            load_fail(session->load, SIM_ORACLE_HANG_UP, "session %u: cannot connect: %s",
                      session->index, strerror(-state));
        }
        if (load_breaks(session->load)) {
            session->connections_left++; // it tries again
        }
        session_disconnect(session, false);
        return;
    }
    session_fill(session);
    if ((load_is_cut(session->load) && load_chance(&session->random, 20)) ||
        (load_may_be_dead(session->load, session->began_ns) &&
         load_chance(&session->random, 100))) {
        load_mark(session->load, MARK_CUT_OFF, true);
        session_disconnect(session, true);
        return;
    }
    if (session_aborts_now(session)) {
        session_send(session);
        session_disconnect(session, session->end == END_RESET);
        return;
    }
    session_send(session);
    if (session_is_frozen(session)) {
        return;
    }
    if (!session->reads_slowly) {
        session_receive(session, SIZE_MAX);
    } else {
        session_receive(session, 1 + load_draw(&session->random, 4000));
    }
    if (session->client != NULL && session->ended) {
        session_finish(session);
        session->reads_slowly = session->reads_slowly && load_chance(&session->random, 600);
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
    } else if ((session->connections_left == 0 && !session_stays(session)) || load->stopping) {
        session->done = true;
        return;
    } else {
        session->connections_left -= session->connections_left != 0;
        session_connect(session);
    }
    session_act_later(session);
}

// Life ----------------------------------------------------------------------------------------

void session_open(struct load *load, struct session *session, uint32_t index)
{
    *session = (struct session){.load = load,
                                .index = index,
                                .pace_ns = PACE_US_MAX * us,
                                .event = {.run = session_act, .owner = session}};
    random_seed(&session->random,
                (load->seed + load->round * UINT64_C(0x10000000)) * LOAD_SESSIONS_MAX * 2 + index);
}

void session_start(struct session *session)
{
    session->connections_left = 1 + load_draw(&session->random, 5);
    session_act_later(session);
}

void session_close(struct session *session)
{
    sim_unschedule(session->load->world, &session->event);
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
    // What was not accepted when the node was stopped meanwhile waits for its process to go.
    if (!sim_world_run(load->world, until_ns, drive_done, session) && !load->stopping) {
        load_fail(load, SIM_ORACLE_PROGRESS, "connection %u: %u of %u replies after ten seconds",
                  session->connection, session->request_answered, session->request_count);
    }
    return !load->failed;
}
