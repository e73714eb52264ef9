#include "cluster/hold.h"

#include "cluster/client.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/planted.h"

#include <string.h>

const char HOLD_ERROR_TEXT[] =
    "IOERR writing to the disk failed: this core takes no writes until the node is started anew; "
    "the write may or may not be there then";

bool hold_waits(const struct shard *shard, uint64_t commit)
{
    return commit > shard->committed;
}

// Hops and parts --------------------------------------------------------------------------------

void hold_add(struct shard *shard, struct hold *hold, uint64_t commit)
{
    CHECK(hold->release != NULL);
    hold->next = NULL;
    hold->commit = commit;
    shard->stats.holds++;
    if (shard->hold_last != NULL) {
        shard->hold_last->next = hold;
    } else {
        shard->hold_first = hold;
    }
    shard->hold_last = hold;
    if (shard->commit_error != 0) {
        shard->commits_changed = true; // nothing else will look at it
    }
}

// In order: one whose commit is older than that of the one before it waits for both, which is no
// longer than a frame.
static void hold_release_all(struct shard *shard)
{
    while (shard->hold_first != NULL &&
           (shard->commit_error != 0 || !hold_waits(shard, shard->hold_first->commit))) {
        struct hold *hold = shard->hold_first;
        shard->hold_first = hold->next;
        if (shard->hold_first == NULL) {
            shard->hold_last = NULL;
        }
        hold->release(shard, hold, hold_waits(shard, hold->commit) ? shard->commit_error : 0);
    }
}

// Clients ---------------------------------------------------------------------------------------

static void hold_link(struct client *client)
{
    struct shard *shard = client->shard;
    client->hold.previous = NULL;
    client->hold.next = shard->hold_clients;
    if (shard->hold_clients != NULL) {
        shard->hold_clients->hold.previous = client;
    }
    shard->hold_clients = client;
}

static void hold_unlink(struct client *client)
{
    struct hold_marks *marks = &client->hold;
    if (marks->previous != NULL) {
        marks->previous->hold.next = marks->next;
    } else {
        client->shard->hold_clients = marks->next;
    }
    if (marks->next != NULL) {
        marks->next->hold.previous = marks->previous;
    }
}

void hold_output(struct client *client, uint64_t from, uint64_t commit)
{
    struct shard *shard = client->shard;
    struct hold_marks *marks = &client->hold;
    if (!hold_waits(shard, commit) || (client->flags & CLIENT_CLOSING) != 0) {
        return;
    }
    if (marks->count != 0 && commit <= marks->at[marks->count - 1].commit) {
        return; // it stands behind one that waits for as much
    }
    if (marks->count == HOLD_MARKS) {
        marks->at[HOLD_MARKS - 1].commit = commit;
        return;
    }
    if (marks->count == 0) {
        hold_link(client);
    }
    marks->at[marks->count].at = client->output_bytes_total + from;
    marks->at[marks->count].commit = commit;
    marks->count++;
    shard->stats.holds++;
    if (shard->commit_error != 0) {
        shard->commits_changed = true;
    }
}

uint64_t hold_sendable(const struct client *client)
{
    if (client->hold.count == 0) {
        return client->out.bytes;
    }
    return client->hold.at[0].at - client->output_bytes_total;
}

void hold_forget(struct client *client)
{
    if (client->hold.count != 0) {
        hold_unlink(client);
        client->hold.count = 0;
    }
}

// The marks that are met go.
static void hold_pass(struct shard *shard, struct client *client)
{
    struct hold_marks *marks = &client->hold;
    uint32_t met = 0;
    while (met < marks->count && !hold_waits(shard, marks->at[met].commit)) {
        met++;
    }
    if (met == 0) {
        return;
    }
    marks->count -= met;
    memmove(marks->at, marks->at + met, marks->count * sizeof *marks->at);
    if (marks->count == 0) {
        hold_unlink(client);
    }
    client_mark_flush(client);
}

static void hold_close(struct shard *shard, struct client *client)
{
    shard->stats.failed_commit_disconnections++;
    client_close(client);
}

void hold_committed(void *context)
{
    struct shard *shard = context;
    shard->commits_changed = true;
}

static bool hold_any(const struct shard *shard)
{
    return shard->hold_clients != NULL || shard->hold_first != NULL;
}

void hold_await(struct shard *shard)
{
    struct doze *doze = &shard->reactor.doze;
    if (doze->awaited_ns == 0 && hold_any(shard)) {
        doze_await(doze, io_clock_ns(shard->io));
    }
}

void hold_settle(struct shard *shard)
{
    if (!shard->commits_changed) {
        return;
    }
    doze_came(&shard->reactor.doze, shard->io->now_ns);
    shard->commits_changed = false;
    const bool failed = shard->commit_error != 0;
    shard->committed = engine_committed(shard->engine, &shard->commit_error);
    if (!failed && shard->commit_error != 0) {
        atomic_fetch_add_explicit(&shard->node->write_ended, 1, memory_order_relaxed);
        shard_log_write_ended(shard);
    }
    hold_release_all(shard);
    struct client *next;
    for (struct client *client = shard->hold_clients; client != NULL; client = next) {
        next = client->hold.next;
        hold_pass(shard, client);
        if (client->hold.count != 0 && shard->commit_error != 0) {
            hold_close(shard, client);
        }
    }
    if (hold_any(shard)) { // for the next one, which was begun when this was through
        doze_await(&shard->reactor.doze, shard->io->now_ns);
    }
}
