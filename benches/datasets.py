"""The big files that `benches/peers` runs over, made once through a live server.

    small   5M string keys, half integers, half short text        0.13 GB
    mixed   every type, every size, some expiring                 0.94 GB
    large   5 MiB strings, a hash of 5M fields, a zset of 2M      1.26 GB
    aof     a log of 11.7M commands, ten writes to a live key     1.20 GB
    pipe    one hash of 1 GB, 1 GB of 5 MiB strings               2.10 GB

The command streams come from a fixed seed and expire in the year 2100 only, so
keys and DEBUG DIGEST are the same every time (datasets.json keeps both). The
bytes of an RDB are not: a server walks its tables in an order of its own.
"""
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

SEED = 20240607
FAR_MS = 4102444800000  # 2100-01-01: no key may expire under the benchmark


# ---------------------------------------------------------------- the server

def bulk(data):
    return b"$%d\r\n%s\r\n" % (len(data), data)


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(map(bulk, words))


class Server:
    """A server on a port of its own, in a folder of its own, fed by pipelining."""

    def __init__(self, program, folder, *options):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = folder
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", folder,
             "--save", "", "--daemonize", "no", "--enable-debug-command", "yes", *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                self.socket = self.connect()
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise RuntimeError(f"{program} does not start in {folder}")
        self.replies = self.socket.makefile("rb")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port))

    def call(self, *words):
        self.socket.sendall(command(*words))
        line = self.replies.readline().rstrip()
        if line.startswith(b"-"):
            raise RuntimeError(line.decode())
        if line.startswith(b"$"):
            return self.replies.read(int(line[1:]) + 2)[:-2]
        return line[1:]

    def feed(self, chunks):
        """Sends all chunks at full speed while a thread reads what comes back."""
        pipe, last, trouble = self.connect(), b"the last reply", []

        def drain():
            tail = b""
            while data := pipe.recv(1 << 20):
                seen = tail + data
                at = seen.find(b"\n-")
                if at >= 0 and not trouble:
                    trouble.append(seen[at + 1:at + 120])
                if last in seen:
                    return
                tail = seen[-64:]

        reader = threading.Thread(target=drain)
        reader.start()
        waiting, size = [], 0
        for chunk in chunks:
            waiting.append(chunk)
            size += len(chunk)
            if size > 1 << 20:
                pipe.sendall(b"".join(waiting))
                waiting, size = [], 0
        pipe.sendall(b"".join(waiting) + command(b"ECHO", last))
        reader.join()
        pipe.close()
        if trouble:
            raise RuntimeError(trouble[0].decode(errors="replace"))

    def stop(self):
        self.process.kill()
        self.process.wait()


# ---------------------------------------------------------------- the command streams

WORDS = (b"alpha bravo order status pending shipped customer name email price total quantity "
         b"session token user profile created updated true false null active region europe").split()


def text(rng, size):
    """JSON-like words, which LZF shrinks."""
    parts, have = [], 0
    while have < size:
        part = b'"%s":"%s-%d",' % (rng.choice(WORDS), rng.choice(WORDS), rng.getrandbits(12))
        parts.append(part)
        have += len(part)
    return b"".join(parts)[:size]


def one_command(name, key, elements, per):
    """`name key element...`, of elements already in bulk form, each of `per` bulks."""
    return b"*%d\r\n" % (2 + per * len(elements)) + bulk(name) + bulk(key) + b"".join(elements)


def in_pieces(name, key, elements, per, most=2000):
    for at in range(0, len(elements), most):
        yield one_command(name, key, elements[at:at + most], per)


def small(rng, scale):
    count, step = int(5_000_000 * scale), 500
    for base in range(0, count, step):
        pairs = []
        for i in range(base, min(count, base + step)):
            if i & 1:
                value = b"%d" % rng.getrandbits(rng.choice((7, 14, 30, 60)))
            else:
                value = b"v%x" % rng.getrandbits(4 * rng.randint(6, 22))
            pairs.append(bulk(b"key:%08d" % i) + bulk(value))
        yield b"*%d\r\n$4\r\nMSET\r\n" % (1 + 2 * len(pairs)) + b"".join(pairs)


def mixed(rng, scale):
    dense, noise = text(rng, 4 << 20), rng.randbytes(4 << 20)
    members = [bulk(b"m%x" % rng.getrandbits(rng.choice((16, 32, 64, 80)))) for _ in range(200_000)]
    values = []
    for i in range(200_000):
        size = rng.randint(4, 40)
        values.append(bulk(text(rng, size) if i & 1 else rng.randbytes(size)))
    integers = [bulk(b"%d" % rng.getrandbits(rng.choice((6, 15, 31, 50)))) for _ in range(200_000)]
    fields = [bulk(b"field_%d" % i) for i in range(60_000)]
    pools = (members, values, integers)

    def expiry(key):
        if rng.random() < 0.2:
            return command(b"PEXPIREAT", key, b"%d" % (FAR_MS + rng.getrandbits(32)))
        return b""

    for i in range(int(440_000 * scale)):
        size = int(10 * 1000 ** rng.random())
        source = dense if i & 1 else noise
        at = rng.randrange(len(source) - size)
        key = b"str:%d:%x" % (i, rng.getrandbits(24))
        yield command(b"SET", key, source[at:at + size]) + expiry(key)

    # Kind, how many, elements from, to. Capital letters are the big ones.
    plan = [("h", 150_000, 5, 30), ("H", 60, 10_000, 30_000),
            ("l", 100_000, 5, 60), ("L", 60, 10_000, 50_000),
            ("i", 30_000, 5, 200),
            ("s", 70_000, 5, 60), ("S", 60, 10_000, 30_000),
            ("z", 100_000, 5, 100), ("Z", 60, 10_000, 30_000)]
    for kind, count, low, high in plan:
        for i in range(max(1, int(count * scale))):
            size = rng.randint(low, high)
            key = b"%s:%d:%x" % (kind.encode() * 3, i, rng.getrandbits(20))
            if kind in "hH":
                chosen = rng.choices(values if i % 3 else integers, k=size)
                at = rng.randrange(60_000 - size)
                pairs = [field + value for field, value in zip(fields[at:at + size], chosen)]
                yield from in_pieces(b"HSET", key, pairs, 2)
            elif kind in "lL":
                yield from in_pieces(b"RPUSH", key, rng.choices(pools[i % 3], k=size), 1)
            elif kind == "i":
                yield from in_pieces(b"SADD", key, rng.choices(integers, k=size), 1)
            elif kind in "sS":
                yield from in_pieces(b"SADD", key, rng.choices(members, k=size), 1)
            else:
                if i & 1:
                    scores = rng.choices(integers, k=size)
                else:
                    scores = [bulk(b"%.17g" % (rng.random() * 1e6)) for _ in range(size)]
                pairs = [score + member for score, member in zip(scores, rng.choices(members, k=size))]
                yield from in_pieces(b"ZADD", key, pairs, 2)
            yield expiry(key)

    for i in range(max(1, int(3_000 * scale))):
        yield from stream(rng, b"stream:%d" % i, noise, with_groups=i % 2 == 0)
        yield expiry(b"stream:%d" % i)


def stream(rng, key, noise, with_groups):
    count = rng.randint(50, 900)
    ms = 1_700_000_000_000 + rng.getrandbits(30)
    for i in range(count):
        ms += rng.randint(0, 50)
        yield command(b"XADD", key, b"%d-%d" % (ms, i), b"user", b"%d" % rng.getrandbits(20),
                      b"event", rng.choice(WORDS), b"payload", noise[i * 7:i * 7 + rng.randint(4, 40)])
    if with_groups:
        last = b"%d-%d" % (ms, count - 1)
        for group in (b"g1", b"g2"):
            yield command(b"XGROUP", b"CREATE", key, group, b"0")
            for consumer in range(3):
                yield command(b"XGROUP", b"CREATECONSUMER", key, group, b"consumer-%d" % consumer)
            yield command(b"XGROUP", b"SETID", key, group, last)
        # XREADGROUP would stamp the time of day; XCLAIM takes the time it is given.
        yield command(b"XCLAIM", key, b"g1", b"consumer-0", b"0", last, b"TIME", b"1700000000000",
                      b"RETRYCOUNT", b"2", b"FORCE", b"JUSTID")


def large(rng, scale):
    for i in range(int(200 * scale) or 1):
        yield command(b"SET", b"blob:%d" % i, rng.randbytes(5 << 20))
    for base in range(0, int(5_000_000 * scale), 1000):
        yield one_command(b"HSET", b"big:hash", [
            bulk(b"field:%08d" % i) + bulk(b"%016x" % rng.getrandbits(64)) for i in range(base, base + 1000)], 2)
    for base in range(0, int(2_000_000 * scale), 1000):
        yield one_command(b"ZADD", b"big:zset", [
            bulk(b"%.17g" % (rng.random() * 1e9)) + bulk(b"member:%08d" % i) for i in range(base, base + 1000)], 2)


def aof(rng, scale):
    dense, noise = text(rng, 1 << 20), b"%x" % rng.getrandbits(1 << 22)
    users, counters, hashes = (max(1, int(n * scale)) for n in (600_000, 150_000, 120_000))
    pick = rng.randrange

    def one():
        dice = rng.random()
        if dice < .46:
            size, at = pick(20, 200), pick((1 << 20) - 200)
            return command(b"SET", b"user:%d:data" % pick(users), (dense if dice < .25 else noise)[at:at + size])
        if dice < .60:
            return command(b"INCR", b"counter:%d" % pick(counters))
        if dice < .75:
            key, field, at = b"hash:%d" % pick(hashes), b"f%d" % pick(12), pick(1 << 19)
            return command(b"HSET", key, field, noise[at:at + pick(8, 60)],
                           b"f%d" % pick(12), b"%d" % pick(1 << 30))
        if dice < .83:
            key, at = b"list:%d" % pick(hashes // 2 or 1), pick(1 << 19)
            return command(b"LPUSH", key, noise[at:at + pick(8, 60)]) + command(b"LTRIM", key, b"0", b"9")
        if dice < .94:
            return command(b"ZADD", b"zset:%d" % pick(hashes // 4 or 1), b"%d" % pick(1 << 20),
                           b"member:%d" % pick(30))
        if dice < .975:
            return command(b"PEXPIREAT", b"user:%d:data" % pick(users), b"%d" % (FAR_MS + pick(1 << 30)))
        return command(b"DEL", b"user:%d:data" % pick(users))

    done, total = 0, int(11_500_000 * scale)
    while done < total:
        chunk = []
        while len(chunk) < 2000 and done < total:
            if rng.random() < .01:
                chunk += [command(b"MULTI"), one(), one(), one(), one(), command(b"EXEC")]
                done += 6
            else:
                chunk.append(one())
                done += 1
        yield b"".join(chunk)


def pipe(rng, scale):
    noise = rng.randbytes(4 << 20)
    for base in range(0, int(8_200_000 * scale), 1000):
        pairs = []
        for i in range(base, base + 1000):
            at = rng.randrange(len(noise) - 110)
            pairs.append(bulk(b"field:%08d" % i) + bulk(noise[at:at + 110]))
        yield one_command(b"HSET", b"big:hash", pairs, 2)
    for i in range(int(200 * scale) or 1):
        yield command(b"SET", b"blob:%d" % i, rng.randbytes(5 << 20))


STREAMS = {"small": small, "mixed": mixed, "large": large, "aof": aof, "pipe": pipe}


# ---------------------------------------------------------------- the files

def path(name, folder):
    return folder / ("aof.aof" if name == "aof" else f"{name}.rdb")


def make(name, folder, scale, servers):
    """The file of a dataset, made if it is not there yet."""
    want = path(name, folder)
    if want.exists():
        read_back(want)
        return want
    program = next((s / "server" for s in (servers / "redis-8.0", servers / "redis-7.0") if s.exists()), None)
    if program is None:
        raise SystemExit(f"peers: no redis-8.0 or redis-7.0 in {servers}; run tests/fetch-servers")
    folder.mkdir(parents=True, exist_ok=True)
    print(f"making {want} ...", flush=True)
    started = time.time()
    is_log = name == "aof"
    options = ["--appendonly", "yes", "--appendfsync", "no", "--aof-use-rdb-preamble", "no",
               "--auto-aof-rewrite-percentage", "0"] if is_log else []
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=folder) as work:
        server = Server(program, work, *options)
        try:
            server.feed(STREAMS[name](random.Random(f"{SEED}-{name}"), scale))
            facts = {"keys": int(server.call(b"DBSIZE")), "digest": server.call(b"DEBUG", b"DIGEST").decode()}
            if not is_log:
                server.call(b"SAVE")
        finally:
            server.stop()
        made = next(Path(work).glob("appendonlydir/*.incr.aof")) if is_log else Path(work) / "dump.rdb"
        shutil.move(made, want)
    facts.update(bytes=want.stat().st_size, scale=scale, seconds=round(time.time() - started))
    print(f"  {facts}", flush=True)
    notes = folder / "datasets.json"
    known = json.loads(notes.read_text()) if notes.exists() else {}
    notes.write_text(json.dumps(known | {name: facts}, indent=1) + os.linesep)
    read_back(want)
    return want


def read_back(path):
    """Puts a file into the page cache as reading it from disk does: in large pieces.

    As a server has just written it, it lies there page by page, and each page that a process maps
    takes the kernel as long as rdbkit takes to check it: a run over 1 GB then measures the kernel.
    """
    with open(path, "rb", buffering=0) as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        read_through(file)


def warm(path):
    """Reads what is in the page cache, before each turn of either side.

    Pages that nobody has looked at for a few seconds are put aside by the host of a virtual machine,
    and the first who looks at them pays for that: after a peer's turn of 20 s a second for 1 GB.
    """
    for part in sorted(path.iterdir()) if path.is_dir() else [path]:
        with open(part, "rb", buffering=0) as file:
            read_through(file)


def read_through(file):
    room = bytearray(1 << 20)
    while file.readinto(room):
        pass
