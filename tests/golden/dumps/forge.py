#!/usr/bin/env python3
"""Makes the dumps of this folder that no server at hand writes: of versions before 9, and of some after 12.

    forge.py                    each beside this script
"""
import os
import struct

FOLDER = os.path.dirname(os.path.abspath(__file__))
POLYNOMIAL = 0x95AC9329AC4BC9B5
LATER = 4102444800
# The last of the seconds that fit into 32 bits.
SOON = (1 << 31) - 1


def crc64(data):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ POLYNOMIAL if byte & 1 else byte >> 1
        table.append(byte)
    total = 0
    for byte in data:
        total = total >> 8 ^ table[(total ^ byte) & 0xFF]
    return total


def length(number):
    if number < 1 << 6:
        return bytes([number])
    if number < 1 << 14:
        return struct.pack(">H", 0x4000 | number)
    if number < 1 << 32:
        return b"\x80" + struct.pack(">I", number)
    return b"\x81" + struct.pack(">Q", number)


def string(text):
    text = text if isinstance(text, bytes) else text.encode()
    return length(len(text)) + text


def strings(*texts):
    return b"".join(map(string, texts))


def ziplist(*items):
    body, before, last = b"", 0, 10
    for item in items:
        head = bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)
        if isinstance(item, int):
            if 0 <= item <= 12:
                own = bytes([0xF1 + item])
            elif -128 <= item < 128:
                own = b"\xfe" + struct.pack("<b", item)
            elif -(1 << 15) <= item < 1 << 15:
                own = b"\xc0" + struct.pack("<h", item)
            elif -(1 << 23) <= item < 1 << 23:
                own = b"\xf0" + struct.pack("<i", item << 8)[1:]
            elif -(1 << 31) <= item < 1 << 31:
                own = b"\xd0" + struct.pack("<i", item)
            else:
                own = b"\xe0" + struct.pack("<q", item)
        else:
            text = item.encode()
            if len(text) < 64:
                own = bytes([len(text)]) + text
            elif len(text) < 1 << 14:
                own = struct.pack(">H", 0x4000 | len(text)) + text
            else:
                own = b"\x80" + struct.pack(">I", len(text)) + text
        last = 10 + len(body)
        body += head + own
        before = len(head + own)
    return struct.pack("<IIH", len(body) + 11, last, len(items)) + body + b"\xff"


def zipmap(pairs, unused=0):
    def size(text):
        return bytes([len(text)]) if len(text) < 254 else b"\xfe" + struct.pack("<I", len(text))

    body = b""
    for field, value in pairs:
        field, value = field.encode(), value.encode()
        body += size(field) + field + size(value) + bytes([unused]) + value + b"?" * unused
    return bytes([min(len(pairs), 254)]) + body + b"\xff"


def intset(width, *numbers):
    letter = {2: "h", 4: "i", 8: "q"}[width]
    return struct.pack(f"<II{len(numbers)}{letter}", width, len(numbers), *numbers)


def back(size):
    """A size as it stands behind an element of a listpack."""
    count = 1 + (size > 127) + (size >= 16383) + (size >= 2097151) + (size >= 268435455)
    bits = [size >> 7 * at & 0x7F for at in reversed(range(count))]
    return bytes(bits[:1] + [0x80 | more for more in bits[1:]])


def listpack(*items):
    body = b""
    for item in items:
        if isinstance(item, int):
            if 0 <= item < 128:
                own = bytes([item])
            elif -4096 <= item < 4096:
                own = struct.pack(">H", 0xC000 | item & 0x1FFF)
            else:
                own = b"\xf4" + struct.pack("<q", item)
        else:
            text = item if isinstance(item, bytes) else item.encode()
            own = (bytes([0x80 | len(text)]) if len(text) < 64 else struct.pack(">H", 0xE000 | len(text))) + text
        body += own + back(len(own))
    return struct.pack("<IH", len(body) + 7, len(items)) + body + b"\xff"


def key(kind, name, value):
    return bytes([kind]) + string(name) + value


def dump(name, version, body, sum=True, magic=b"REDIS%04d"):
    data = magic % version + body + b"\xff"
    if version >= 5:
        data += struct.pack("<Q", crc64(data) if sum else 0)
    with open(os.path.join(FOLDER, f"{name}.rdb"), "wb") as file:
        file.write(data)


def text_score(text):
    return bytes([len(text)]) + text.encode()


def entries_of_stream(kind, groups=b""):
    """Three entries of a stream, one of them deleted, with the fields of the first or their own."""
    node = listpack(2, 1, 2, "name", "size", 0,
                    2, 0, 0, "first", 1, 5,
                    3, 1, 0, "gone", 2, 5,
                    0, 1, 1, 1, "other", "third", 6)
    out = length(1) + string(struct.pack(">QQ", 1000, 0)) + string(node)
    out += length(2) + length(1001) + length(1)
    if kind != 15:
        out += length(1000) + length(0) + length(1001) + length(0) + length(3)
    return out + groups


def group(kind, nacked=b""):
    waiting = struct.pack(">QQ", 1000, 0) + struct.pack("<q", 1500000000000) + length(2)
    waiting += struct.pack(">QQ", 1001, 1) + struct.pack("<q", 1500000000001) + length(1)
    out = length(1) + string("readers") + length(1001) + length(1)
    if kind != 15:
        out += length(3)
    out += length(2) + waiting
    ann = [struct.pack(">QQ", 1000, 0)] + ([] if nacked else [struct.pack(">QQ", 1001, 1)])
    out += length(2)
    for name, ids in [("ann", ann), ("bob", [])]:
        out += string(name) + struct.pack("<q", 1500000000002)
        if kind >= 21:
            out += struct.pack("<q", -1 if name == "bob" else 1500000000003)
        out += length(len(ids)) + b"".join(ids)
    return out + nacked


def main():
    db = b"\xfe\x00"
    plain = [
        key(0, "string", string("value")),
        key(0, "string:8", b"\xc0\x85"),
        key(0, "string:16", b"\xc1\x39\x30"),
        key(0, "string:32", b"\xc2\x00\x00\x00\x80"),
        key(0, "string:compressed", b"\xc3\x05\x0f\x00a\xe0\x05\x00"),
        key(1, "list", length(3) + strings("a", "b", "a")),
        key(2, "set", length(2) + strings("a", "b")),
        key(2, "set:numbers", length(2) + strings("2", "1")),
        key(3, "zset", length(5) + string("a") + text_score("1.5") + string("b") + text_score("-3")
            + string("c") + b"\xfe" + string("d") + b"\xff" + string("e") + text_score("17.300000000000001")),
        key(4, "hash", length(2) + strings("f", "v", "g", "w")),
    ]
    dump("redis-1", 1, db + b"".join(plain) + b"\xfd" + struct.pack("<i", SOON) + key(0, "mortal", string("x")))
    packed = [
        key(9, "hash:zipmap", string(zipmap([("f", "v"), ("long", "x" * 300)]))),
        key(9, "hash:zipmap:unused", string(zipmap([("f", "v"), ("g", "w")], 3))),
        key(10, "list:ziplist", string(ziplist("a", 1, -1, 300, -70000, 1 << 40, "x" * 70, "y" * 300, "z", 12, 13))),
        key(11, "set:16", string(intset(2, -5, 1, 2))),
        key(11, "set:32", string(intset(4, -5, 100000))),
        key(11, "set:64", string(intset(8, -5, 1 << 40))),
        key(12, "zset:ziplist", string(ziplist("a", 1, "b", "2.5", "c", "inf"))),
        key(13, "hash:ziplist", string(ziplist("f", "v", "n", 12, 7, "seven"))),
    ]
    dump("redis-2", 2, db + b"".join(plain + packed))
    dump("redis-3", 3, db + b"".join(packed) + b"\xfc" + struct.pack("<q", LATER * 1000) + key(0, "mortal", string("x")))
    dump("redis-4", 4, db + b"".join(packed[2:]))
    dump("redis-5", 5, db + b"".join(packed[2:]))
    dump("redis-6", 6, db + b"".join(packed[2:]))
    dump("redis-6-unsummed", 6, db + b"".join(packed[2:]), sum=False)
    quicklist = [
        key(14, "list:quicklist", length(3) + strings(ziplist("a", 1), ziplist(), ziplist("b", "c" * 100))),
    ]
    header = b"\xfa" + strings("redis-ver", "3.2.0") + b"\xfa" + string("redis-bits") + b"\xc0\x40" + db + b"\xfb\x05\x01"
    dump("redis-7", 7, header + b"".join(packed[2:] + quicklist))
    module = 0
    for letter in b"TestType1":
        alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        module = module << 6 | alphabet.index(letter)
    module = length(module << 10 | 1)
    value = length(1) + length(7) + length(2) + length(300) + length(3) + bytes(4) + length(4) + bytes(8)
    value += length(5) + string("text") + length(0)
    newer = quicklist + [
        key(5, "zset:binary", length(2) + string("a") + struct.pack("<d", 0.1) + string("b") + struct.pack("<d", -2)),
        key(7, "module", module + value),
        b"\xf8" + length(100) + key(0, "idle", string("x")),
        b"\xf9" + b"\x07" + key(0, "often", string("x")),
    ]
    dump("redis-8", 8, header + b"".join(packed[2:] + newer))
    dump("redis-9", 9, header + b"\xf7" + module + length(2) + length(1) + value + b"".join(newer)
         + key(15, "stream", entries_of_stream(15, group(15))))
    dump("redis-11", 11, header + key(19, "stream:2", entries_of_stream(19, group(19)))
         + key(21, "stream:3", entries_of_stream(21, group(21)))
         + key(16, "hash", string(listpack("f", "v", "n", 12)))
         + key(17, "zset", string(listpack("a", -4000, "b", "2.5")))
         + key(20, "set", string(listpack("a", 1 << 40)))
         + key(18, "list", length(2) + length(1) + string("plain") + length(2) + string(listpack("a", 1)))
         + key(16, "hash:empty", string(listpack())) + key(2, "set:empty", length(0)))
    later = struct.pack("<Q", LATER * 1000)
    mortal = [
        key(22, "hash:22", length(2) + length(0) + strings("f", "v") + length(LATER * 1000) + strings("g", "w")),
        key(23, "hash:23", string(listpack("g", "w", LATER * 1000, "f", "v", 0))),
        key(24, "hash:24", later + length(2) + length(0) + strings("f", "v") + length(1) + strings("g", "w")),
        key(25, "hash:25", later + string(listpack("g", "w", LATER * 1000, "f", "v", 0))),
    ]
    slots = b"\xf4" + length(5) + length(3) + length(1)
    dump("redis-12", 12, header + slots + b"".join(mortal))
    idmp = length(100) + length(50) + length(1) + string("producer") + length(2)
    idmp += string("one") + length(1000) + length(0) + string("two") + length(1001) + length(1) + length(9) + length(4)
    meta = b"\xf3" + length(1) + b"\x01\x02\x03\x04" + value
    dump("redis-13", 13, header + key(26, "stream:4", entries_of_stream(26, group(26) + idmp))
         + meta + key(0, "beside", string("x")))
    nacked = length(1) + struct.pack(">QQ", 1001, 1)
    array = length(3) + length(1) + length(7)
    array += length(0) + length(0) + string("text") + length(1) + length(1) + bytes(8) + length(5) + length(3) + string("s")
    dump("redis-14", 14, header + key(27, "stream:5", entries_of_stream(27, group(27, nacked) + idmp))
         + key(28, "array", array))
    template = b"\xf2" + length(0) + length(2) + strings("age", "name")
    dump("redis-15", 15, header + template + key(30, "hash:lp", string(listpack(0, 42, "Ann")))
         + key(32, "hash:array", length(0) + strings("43", "Bob")))
    importing = b"\xf3" + string("a" * 40) + length(1) + length(3) + length(9)
    dump("valkey-80", 80, header + slots + importing
         + key(22, "hash", length(2) + strings("f", "v") + struct.pack("<q", -1) + strings("g", "w") + later),
         magic=b"VALKEY%03d")
    # What is refused.
    dump("redis-99", 99, header)
    dump("function-pre-ga", 10, header + b"\xf6" + string("code"))
    dump("type-unknown", 11, header + key(0, "string", string("x")) + key(40, "what", string("x")))


main()
