#include "cli/output.h"
#include "cli/render.h"

#include <criterion/criterion.h>

// What hiredis makes of these bytes of RESP2.
static redisReply *reply_of(const char *resp, size_t size)
{
    redisReader *const reader = redisReaderCreate();
    void *reply = NULL;

    cr_assert_eq(redisReaderFeed(reader, resp, size), REDIS_OK);
    cr_assert_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
    cr_assert_not_null(reply, "%s", resp);
    redisReaderFree(reader);
    return reply;
}

static void assert_rendered(const char *resp, const char *expected)
{
    redisReply *const reply = reply_of(resp, strlen(resp));
    struct text text = output_text();

    render_reply(reply, false, &text);
    cr_assert_str_eq(text_c(&text), expected);
    text_free(&text);
    freeReplyObject(reply);
}

static void assert_json(json_t *document, const char *expected)
{
    char *const printed = json_dumps(document, JSON_COMPACT | JSON_ENCODE_ANY);

    cr_assert_str_eq(printed, expected);
    free(printed);
    json_decref(document);
}

Test(cli_render, scalars)
{
    assert_rendered(":-7\r\n", "(integer) -7\n");
    assert_rendered("$-1\r\n", "(nil)\n");
    assert_rendered("*-1\r\n", "(nil)\n");
    assert_rendered("+OK\r\n", "OK\n");
    assert_rendered("-ERR no\r\n", "(error) ERR no\n");
    assert_rendered("$4\r\na\"\r\n\r\n", "\"a\\\"\\r\\n\"\n");
    assert_rendered("*0\r\n", "(empty array)\n");
}

Test(cli_render, nested_arrays_line_up)
{
    assert_rendered("*2\r\n*2\r\n:1\r\n*1\r\n$1\r\nx\r\n:2\r\n", "1) 1) (integer) 1\n"
                                                                 "   2) 1) \"x\"\n"
                                                                 "2) (integer) 2\n");
    assert_rendered(
        "*10\r\n:0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n*2\r\n:1\r\n:2\r\n",
        " 1) (integer) 0\n 2) (integer) 1\n 3) (integer) 2\n 4) (integer) 3\n"
        " 5) (integer) 4\n 6) (integer) 5\n 7) (integer) 6\n 8) (integer) 7\n"
        " 9) (integer) 8\n10) 1) (integer) 1\n    2) (integer) 2\n");
}

Test(cli_render, a_terminal_never_gets_what_moves_its_cursor)
{
    assert_rendered("-ERR \x1b[2J\r\n", "(error) ERR \\x1b[2J\n");
    assert_rendered("+\x1b]0;x\x07\r\n", "\\x1b]0;x\\x07\n");
}

Test(cli_render, bytes_that_are_not_text_are_base64_in_json)
{
    assert_json(render_bytes("gr\xc3\xbc\xc3\x9f", 6), "\"gr\xc3\xbc\xc3\x9f\"");
    assert_json(render_bytes("a\0b", 3), "\"a\\u0000b\"");
    assert_json(render_bytes("\xff\xfe", 2), "{\"base64\":\"//4=\"}");
    assert_json(render_bytes(NULL, 0), "\"\"");
}

Test(cli_render, replies_as_json_keep_their_shape)
{
    static const char resp[] =
        "*5\r\n:1\r\n$-1\r\n+OK\r\n-ERR x\r\n*2\r\n$4\r\nname\r\n$2\r\nn1\r\n";
    redisReply *const reply = reply_of(resp, sizeof resp - 1);

    assert_json(render_json(reply), "[1,null,\"OK\",{\"error\":\"ERR x\"},[\"name\",\"n1\"]]");
    freeReplyObject(reply);
}

Test(cli_render, flat_maps_become_objects_and_lists_stay_lists)
{
    static const struct {
        const char *resp;
        const char *json;
    } cases[] = {
        {"*4\r\n$4\r\nname\r\n$2\r\nn1\r\n$4\r\nkeys\r\n:5\r\n", "{\"name\":\"n1\",\"keys\":5}"},
        {"*2\r\n$5\r\nnodes\r\n*2\r\n$2\r\nn1\r\n$2\r\nn2\r\n", "{\"nodes\":[\"n1\",\"n2\"]}"},
        {"*2\r\n$5\r\nnodes\r\n*1\r\n*2\r\n$2\r\nid\r\n:1\r\n", "{\"nodes\":[{\"id\":1}]}"},
        {"*2\r\n$4\r\nload\r\n*2\r\n$3\r\nnow\r\n:1\r\n", "{\"load\":{\"now\":1}}"},
        {"*2\r\n:1\r\n:2\r\n", "[1,2]"},
        {"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", "[\"a\",\"b\",\"c\"]"},
        {"*2\r\n$9\r\nNot a key\r\n:2\r\n", "[\"Not a key\",2]"},
        {"*4\r\n$1\r\na\r\n:1\r\n$1\r\na\r\n:2\r\n", "[\"a\",1,\"a\",2]"},
        {"*0\r\n", "[]"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        redisReply *const reply = reply_of(cases[i].resp, strlen(cases[i].resp));

        assert_json(render_document_json(reply), cases[i].json);
        freeReplyObject(reply);
    }
}

Test(cli_render, a_field_is_found_by_its_name)
{
    static const char resp[] = "*4\r\n$4\r\nname\r\n$2\r\nn1\r\n$4\r\nkeys\r\n:5\r\n";
    redisReply *const reply = reply_of(resp, sizeof resp - 1);

    cr_assert_eq(render_field(reply, "keys")->integer, 5);
    cr_assert_null(render_field(reply, "n1"));
    cr_assert_null(render_field(render_field(reply, "keys"), "keys"));
    freeReplyObject(reply);
}

Test(cli_render, documents_for_people)
{
    json_t *const document = json_loads(
        "{\"name\": \"n1\", \"partitions\": 256, \"seeds\": [], \"open\": true,"
        " \"nodes\": [{\"name\": \"n1\", \"keys\": 5}, {\"name\": \"other\", \"keys\": 1234}],"
        " \"load\": {\"cpu\": 0.5, \"cores\": [0, 1]}}",
        0, NULL);
    struct text text = output_text();

    render_document(document, false, &text);
    cr_assert_str_eq(text_c(&text), "name        n1\n"
                                    "partitions  256\n"
                                    "seeds       -\n"
                                    "open        yes\n"
                                    "\n"
                                    "nodes\n"
                                    "  name   keys\n"
                                    "  n1        5\n"
                                    "  other  1234\n"
                                    "\n"
                                    "load\n"
                                    "  cpu    0.5\n"
                                    "  cores  0, 1\n");
    text_free(&text);
    json_decref(document);
}

Test(cli_render, a_long_list_shows_its_ends)
{
    json_t *const list = json_array();
    struct text text = output_text();

    for (int i = 0; i < 100; i++) {
        json_array_append_new(list, json_integer(i));
    }
    json_t *const document = json_pack("{s:o}", "slots", list);

    render_document(document, false, &text);
    cr_assert_str_eq(text_c(&text), "slots  0, 1, 2, 3, ... 100 in all ..., 96, 97, 98, 99\n");
    text_free(&text);
    json_decref(document);
}
