// A program that uses hiredis as its users do: one by one, in pipelines, binary, large,
// reconnecting. Given HOST PORT, or PATH of a unix socket. A line per case; exit 0 when all of them
// held.
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIPELINE_DEPTH = 10000, LARGE_BYTES = 4 << 20 };

static redisContext *dial(int count, char **words)
{
    redisContext *link;

    if (count == 2)
        link = redisConnectUnix(words[1]);
    else
        link = redisConnect(words[1], atoi(words[2]));
    if (link == NULL || link->err) {
        fprintf(stderr, "no connection: %s\n", link ? link->errstr : "no memory");
        exit(1);
    }
    return link;
}

static bool said(redisReply *reply, int type, const char *text)
{
    bool same = reply != NULL && reply->type == type && strcmp(reply->str, text) == 0;

    if (!same)
        fprintf(stderr, "wanted %s, got %s\n", text,
                reply == NULL ? "nothing" : (reply->str ? reply->str : "no string"));
    freeReplyObject(reply);
    return same;
}

static bool counted(redisReply *reply, long long number)
{
    bool same = reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer == number;

    if (!same)
        fprintf(stderr, "wanted %lld, got %lld\n", number, reply ? reply->integer : -1);
    freeReplyObject(reply);
    return same;
}

static bool strings(redisContext *link)
{
    redisReply *reply;
    bool good = said(redisCommand(link, "SET %s %s", "hiredis:k", "v"), REDIS_REPLY_STATUS, "OK") &&
                said(redisCommand(link, "GET %s", "hiredis:k"), REDIS_REPLY_STRING, "v") &&
                counted(redisCommand(link, "DEL %s", "hiredis:k"), 1);

    reply = redisCommand(link, "GET %s", "hiredis:k");
    good = good && reply != NULL && reply->type == REDIS_REPLY_NIL;
    freeReplyObject(reply);
    reply = redisCommand(link, "INCR a b");
    good = good && reply != NULL && reply->type == REDIS_REPLY_ERROR;
    freeReplyObject(reply);
    return good;
}

static bool binary(redisContext *link)
{
    static const char key[] = "hiredis:\0\r\n\xff";
    static const char value[] = "\0\0\r\n$5\r\n";
    redisReply *reply;
    bool good;

    good = said(redisCommand(link, "SET %b %b", key, sizeof(key), value, sizeof(value)),
                REDIS_REPLY_STATUS, "OK");
    reply = redisCommand(link, "GET %b", key, sizeof(key));
    good = good && reply != NULL && reply->type == REDIS_REPLY_STRING &&
           reply->len == sizeof(value) && memcmp(reply->str, value, sizeof(value)) == 0;
    freeReplyObject(reply);
    return good;
}

static bool large(redisContext *link)
{
    char *value = malloc(LARGE_BYTES);
    redisReply *reply;
    bool good;

    for (size_t i = 0; i < LARGE_BYTES; i++)
        value[i] = (char)(i * 31 >> 3);
    good = said(redisCommand(link, "SET hiredis:large %b", value, (size_t)LARGE_BYTES),
                REDIS_REPLY_STATUS, "OK");
    reply = redisCommand(link, "GET hiredis:large");
    good = good && reply != NULL && reply->type == REDIS_REPLY_STRING &&
           reply->len == LARGE_BYTES && memcmp(reply->str, value, LARGE_BYTES) == 0;
    freeReplyObject(reply);
    free(value);
    return good && counted(redisCommand(link, "DEL hiredis:large"), 1);
}

static bool pipeline(redisContext *link)
{
    bool good = true;
    void *reply = NULL;

    freeReplyObject(redisCommand(link, "DEL hiredis:count"));
    for (int i = 0; i < PIPELINE_DEPTH; i++)
        redisAppendCommand(link, "INCR hiredis:count");
    for (int i = 0; i < PIPELINE_DEPTH; i++) {
        good = redisGetReply(link, &reply) == REDIS_OK && counted(reply, i + 1) && good;
        reply = NULL;
    }
    return good;
}

// hiredis 0.14, Debian 12's, reads RESP2 only.
static bool nested(redisContext *link)
{
    redisReply *reply = redisCommand(link, "HELLO 2");
    bool good = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 14;

    freeReplyObject(reply);
    reply = redisCommand(link, "SCAN 0 COUNT 1");
    good = good && reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
           reply->element[1]->type == REDIS_REPLY_ARRAY;
    freeReplyObject(reply);
    return good;
}

static bool again(redisContext *link)
{
    freeReplyObject(redisCommand(link, "QUIT"));
    return redisReconnect(link) == REDIS_OK &&
           said(redisCommand(link, "PING"), REDIS_REPLY_STATUS, "PONG");
}

int main(int count, char **words)
{
    static const struct {
        const char *name;
        bool (*run)(redisContext *link);
    } cases[] = {
        {"strings", strings},   {"binary", binary}, {"large", large},
        {"pipeline", pipeline}, {"nested", nested}, {"again", again},
    };
    redisContext *link;
    int failed = 0;

    if (count != 2 && count != 3) {
        fprintf(stderr, "usage: %s HOST PORT | PATH\n", words[0]);
        return 2;
    }
    link = dial(count, words);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool good = cases[i].run(link);

        printf("%s %s\n", good ? "ok  " : "FAIL", cases[i].name);
        failed += !good;
    }
    redisFree(link);
    return failed ? 1 : 0;
}
