"""The words that random sessions are made of: calls with set answers, wrong frames, other names."""

# What Redis 7.0 knows and rldb does not offer. The reference is started with these renamed to
# nothing, so that both have to word the refusal alike.
NOT_OFFERED_TEXT = """
acl bgrewriteaof bitcount bitfield bitfield_ro bitop bitpos blmove blmpop blpop brpop brpoplpush
bzmpop bzpopmax bzpopmin discard dump eval eval_ro evalsha evalsha_ro exec failover fcall fcall_ro
function geoadd geodist geohash geopos georadius georadius_ro georadiusbymember
georadiusbymember_ro geosearch geosearchstore getbit hdel hexists hget hgetall hincrby hincrbyfloat
hkeys hlen hmget hmset hrandfield hscan hset hsetnx hstrlen hvals lcs lindex linsert llen lmove
lmpop lolwut lpop lpos lpush lpushx lrange lrem lset ltrim migrate module monitor move multi pfadd
pfcount pfdebug pfmerge pfselftest psubscribe psync publish pubsub punsubscribe replconf replicaof
restore restore-asking role rpop rpoplpush rpush rpushx sadd scard script sdiff sdiffstore setbit
sinter sintercard sinterstore sismember slaveof smembers smismember smove sort sort_ro spop spublish
srandmember srem sscan ssubscribe subscribe sunion sunionstore sunsubscribe swapdb sync unsubscribe
unwatch wait watch xack xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread
xreadgroup xrevrange xsetid xtrim zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard
zinterstore zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore
zrangestore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex
zrevrangebyscore zrevrank zscan zscore zunion zunionstore
"""
NOT_OFFERED = [name.upper().encode() for name in NOT_OFFERED_TEXT.split()]

UNKNOWN = [
    b"NOSUCH",
    b"",
    b"get ",
    b" get",
    b"GE",
    b"GETT",
    b"get\x00",
    b"\x00",
    b"\xff\xfe",
    b"a\r\nb",
    b"+OK\r\n",
    b"\r\n",
    b"'",
    b'"quoted"',
    b"U" * 127,
    b"U" * 128,
    b"U" * 129,
    b"U" * 5000,
    b"GET|",
    b"client|id",
    b"CONFIG|GET",
    b"%s%n",
    b"*",
    b"host",
    b"1",
]

_CLIENT_TEXT = r"""
GETNAME|ID|INFO|LIST|SETNAME a|SETNAME |SETNAME a\sb|SETNAME a\nb|SETNAME a b|SETNAME ~|SETNAME
SETNAME \x80|SETNAME conn-1.2:3|NO-EVICT on|NO-EVICT off|NO-EVICT bogus|NO-EVICT
PAUSE abc|PAUSE -1|PAUSE 1 bogus|PAUSE|PAUSE 1 WRITE x
UNPAUSE|UNPAUSE x|KILL 1.2.3.4:5|KILL ADDR 1.2.3.4:5|KILL ID 0|KILL ID -1|KILL ID abc
KILL ID 999999999|KILL TYPE bogus|KILL TYPE pubsub|KILL TYPE replica|KILL USER nosuch
KILL LADDR 9.9.9.9:9|KILL ID 999999999 SKIPME yes|KILL ID 999999999 SKIPME maybe|KILL FOO BAR|KILL
KILL ID 999999999 ADDR|KILL ADDR 1.2.3.4:5 ID 7777777|LIST TYPE normal|LIST TYPE pubsub
LIST TYPE replica|LIST TYPE bogus|LIST ID 7777777|LIST ID abc|LIST ID|LIST FOO|LIST TYPE
REPLY|REPLY bogus|REPLY ON x|HELP|HELP x|NOSUCH|GETNAME x|ID x|INFO x|\x00|
"""


def _unescape(word):
    return word.replace("\\s", " ").encode().decode("unicode_escape").encode("latin-1")


def _calls(text):
    """One call per line or bar, words apart by one blank; \\s, \\n, \\xHH spell awkward bytes."""
    out = []
    for line in text.strip("\n").splitlines():
        for call in line.split("|"):
            out.append([_unescape(word) for word in call.split(" ")] if call else [])
    return out


CLIENT_CALLS = _calls(_CLIENT_TEXT)
# Random spoiling must not turn a CLIENT call into one of these.
CLIENT_GUARDED = {b"REPLY", b"KILL", b"PAUSE", b"TRACKING", b"SETINFO", b"NO-TOUCH", b"UNBLOCK"}

HELLO_CALLS = _calls(
    r"""
|2|3|2|3|1|4|0|-1|abc|3.0|99999999999999999999|
3 SETNAME x|2 SETNAME y|3 SETNAME a\sb|3 SETNAME|3 SETNAME a\nb
3 AUTH default x|3 AUTH nosuch x|3 AUTH default|3 AUTH|2 AUTH nosuch x SETNAME z
3 SETNAME z AUTH nosuch x|3 FOO|3 FOO bar|3 AUTH default x FOO
2 setname q auth default p|AUTH default x
"""
)

SERVER_CALLS = _calls(
    r"""
TIME|TIME x|LASTSAVE|LASTSAVE x|SELECT 0|SELECT 1|SELECT -1|SELECT abc|SELECT 16|SELECT
SELECT 99999999999999999999|SELECT 0 0|AUTH|AUTH x|AUTH default x|AUTH nosuch x|AUTH a b c
READONLY|READWRITE|ASKING|READONLY x|CLUSTER INFO|CLUSTER SLOTS|CLUSTER NOSUCH|CLUSTER
CLUSTER KEYSLOT a|CLUSTER MYID|CLUSTER SHARDS|CLUSTER NODES|CLUSTER COUNTKEYSINSLOT 5
CLUSTER GETKEYSINSLOT 5 5|CLUSTER KEYSLOT
INFO|INFO server|INFO nosuch|INFO server clients|INFO all|INFO default|INFO everything
INFO commandstats|INFO keyspace|INFO replication
SLOWLOG LEN|SLOWLOG GET|SLOWLOG GET 5|SLOWLOG GET -1|SLOWLOG GET -2|SLOWLOG GET abc|SLOWLOG RESET
SLOWLOG HELP|SLOWLOG NOSUCH|SLOWLOG|SLOWLOG LEN x|SLOWLOG GET 1 2|SLOWLOG RESET x
LATENCY LATEST|LATENCY HISTORY x|LATENCY HISTORY|LATENCY RESET|LATENCY RESET x y|LATENCY NOSUCH
LATENCY HELP|LATENCY|LATENCY LATEST x
MEMORY USAGE nosuchkey|MEMORY USAGE k1|MEMORY USAGE k1 SAMPLES 5|MEMORY USAGE k1 SAMPLES abc
MEMORY USAGE k1 FOO 5|MEMORY USAGE k1 SAMPLES -1|MEMORY USAGE k1 SAMPLES|MEMORY USAGE
MEMORY HELP|MEMORY NOSUCH|MEMORY|MEMORY STATS x
DEBUG SLEEP 0|DEBUG NOSUCH|DEBUG|DEBUG SLEEP|DEBUG SLEEP 0 0
CONFIG GET|CONFIG GET nosuch|CONFIG GET no*such|CONFIG SET|CONFIG SET a|CONFIG SET nosuch 1
CONFIG SET maxmemory abc|CONFIG SET maxmemory|CONFIG SET nosuch 1 maxmemory 0|CONFIG SET a b c
CONFIG RESETSTAT|CONFIG RESETSTAT x|CONFIG NOSUCH|CONFIG|CONFIG HELP|CONFIG GET databases
CONFIG GET appendonly|CONFIG GET save|CONFIG GET maxmemory-policy|CONFIG GET timeout
CONFIG GET MAXMEMORY-policy
CONFIG SET maxmemory-policy bogus|CONFIG SET timeout abc|CONFIG SET timeout -1|CONFIG SET timeout 0
CONFIG SET databases 5|CONFIG SET timeout 0 timeout 0|CONFIG SET maxmemory-policy noeviction
CONFIG GET appendonly save|CONFIG GET nosuch timeout|CONFIG GET timeou[t]|CONFIG GET timeout timeout
COMMAND COUNT|COMMAND COUNT x|COMMAND INFO nosuch|COMMAND INFO nosuch nosuch2|COMMAND NOSUCH
COMMAND GETKEYS GET k|COMMAND GETKEYS MSET a b c d|COMMAND GETKEYS PING|COMMAND GETKEYS nosuch
COMMAND GETKEYS GET|COMMAND GETKEYS|COMMAND GETKEYS DEL a b c|COMMAND GETKEYS RENAME a b
COMMAND GETKEYS MSET a b c|COMMAND GETKEYS COPY a b REPLACE|COMMAND HELP|COMMAND DOCS nosuch
COMMAND GETKEYS OBJECT ENCODING k|COMMAND GETKEYS MEMORY USAGE k|COMMAND GETKEYS set a b NX GET
COMMAND LIST FILTERBY PATTERN nosuch*|COMMAND LIST FILTERBY|COMMAND LIST x|COMMAND LIST FILTERBY a b
COMMAND LIST FILTERBY PATTERN msetn*|COMMAND LIST FILTERBY ACLCAT nosuch
COMMAND LIST FILTERBY MODULE x
RESET|RESET x|SHUTDOWN bogus|SHUTDOWN ABORT|SHUTDOWN SAVE NOSAVE|SHUTDOWN ABORT NOW|SAVE x
BGSAVE bogus|BGSAVE SCHEDULE x
PING a b|ECHO|ECHO a b|DBSIZE x|RANDOMKEY x|KEYS|KEYS a b|SCAN|TYPE|FLUSHALL x|FLUSHDB a b
OBJECT|OBJECT ENCODING|OBJECT NOSUCH|OBJECT FREQ k1|OBJECT ENCODING k1 k2|OBJECT HELP x
"""
)

FLUSH_CALLS = _calls("||ASYNC|SYNC|async|bogus|SYNC ASYNC")

CONTAINERS = [b"CLIENT", b"CONFIG", b"OBJECT", b"COMMAND", b"MEMORY", b"SLOWLOG", b"LATENCY"]
STRANGE_SUBCOMMANDS = [
    b"",
    b"\x00",
    b"nosuch",
    b"a\r\nb",
    b"S" * 127,
    b"S" * 128,
    b"S" * 200,
    b"\xff\xfe",
    b"get ",
    b"GET|x",
    b"he",
    b"%s",
    b"'",
]

STRANGE_LENGTHS = [
    b"-1",
    b"-2",
    b"-0",
    b"+1",
    b"+3",
    b" 1",
    b"1 ",
    b"01",
    b"003",
    b"0",
    b"",
    b"-",
    b"a",
    b"1a",
    b"0x3",
    b"1e1",
    b"3.0",
    b"\x00",
    b"3\x00",
    b"1048577",
    b"67108865",
    b"2147483647",
    b"2147483648",
    b"-2147483648",
    b"4294967296",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"99999999999999999999999999",
    b"3\r",
    b"3\n",
]

# Whole frames that are wrong, or strange and right; each begins where a request would.
BROKEN_FRAMES = [
    b"*\r\n",
    b"*1\r\n\r\n",
    b"*1\r\n$\r\n",
    b"*1\r\nPING\r\n",
    b"*1\r\n:4\r\n",
    b"*1\r\n*1\r\n$4\r\nPING\r\n",
    b"*2\r\n$4\r\nECHO\r\n*1\r\n$1\r\na\r\n",
    b"*1\r\n+PING\r\n",
    b"*1\r\n%1\r\n",
    b"*1\r\n-1\r\n",
    b"*1\r\n$-1\r\n",
    b"*2\r\n$4\r\nECHO\r\n$-1\r\n",
    b"*1\n$4\r\nPING\r\n",
    b"*1\r$4\r\nPING\r\n",
    b"*1\r\n$4\nPING\r\n",
    b"*1\r\n$4\r\nPING\n\n",
    b"*1\r\n$4\r\nPINGxx",
    b"*1\r\n$4\r\nPINGPING\r\n",
    b"*1\r\n$3\r\nPING\r\n",
    b"*1\r\n$5\r\nPING\r\n",
    b"$4\r\nPING\r\n",
    b":1\r\n",
    b"%1\r\n$4\r\nPING\r\n$4\r\nPING\r\n",
    b"~1\r\n$4\r\nPING\r\n",
    b"+PING\r\n",
    b"-ERR\r\n",
    b"_\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
    b"Host: localhost\r\n",
    b"post\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32 + b"\r\n",
    b'ECHO "unbalanced\r\n',
    b"ECHO 'unbalanced\r\n",
    b'ECHO "a"b\r\n',
    b"ECHO 'a'b\r\n",
    b'ECHO "a" b\r\n',
    b'ECHO "\\x41\\n\\r\\t\\a\\b\\"\\\\\\q"\r\n',
    b'ECHO "\\x4"\r\n',
    b'ECHO "\\xzz"\r\n',
    b"ECHO 'it\\'s'\r\n",
    b"ECHO 'a\\n'\r\n",
    b'ECHO a"b"\r\n',
    b"ECHO a'b'\r\n",
    b"ECHO \xff\xfe\r\n",
    b"ECHO a\x00b\r\n",
    b"\x00\r\n",
    b"\x00PING\r\n",
    b"PING\x00\r\n",
    b"PING\r\r\n",
    b"PING\rPING\r\n",
    b"\rPING\r\n",
    b"\x0bPING\x0c\r\n",
    b"'PING'\r\n",
    b'"PI\\x4eG"\r\n',
    b'""\r\n',
    b"'' PING\r\n",
    b"  \t PING \t \r\n",
    b"PING" + b" " * 5000 + b"x\r\n",
    b"x" * 60000 + b"\r\n",
    b"*1000000000\r\n",
    b"*2147483647\r\n",
    b"*2147483648\r\n",
    b"*-2147483649\r\n",
    b"*00000000000000000000000000000000001\r\n$4\r\nPING\r\n",
    b"*1\r\n$00000000000000000000000000000004\r\nPING\r\n",
    b"*" + b"1" * 60000 + b"\r\n",
    b"*1\r\n$" + b"1" * 60000 + b"\r\n",
    b"*0\r\n*0\r\n*-1\r\n*-10\r\n",
    b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$0\r\n\r\n",
]
