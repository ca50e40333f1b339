"""A network of its own for a host: names that lead anywhere, servers that may and may not be reached.

Runs in new network, mount and process namespaces, makes the network, and becomes the program that the arguments name. In the
directory of the first argument are the certificates; it gets `victim`, a line for each connection nobody should have made,
and `names`, a line for each question.
"""

import fcntl
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading

PUBLIC = "8.8.8.8"
# What the names below example.org lead to; one that has several lists leads to them in turn.
NAMES = {
    "public": [["8.8.8.8"]],
    "rebinds": [["8.8.8.8"], ["127.0.0.1"]],
    "both": [["127.0.0.1", "8.8.8.8"]],
    "inside": [["127.0.0.1"]],
    "private": [["10.0.0.1"]],
    "shared": [["100.64.0.1"]],
    "metadata": [["169.254.169.254"]],
    "nowhere": [["0.0.0.0"]],
    "loopback6": [["::1"]],
    "mapped": [["::ffff:127.0.0.1"]],
    "compatible": [["::7f00:1"]],
    "nat64": [["64:ff9b::7f00:1"]],
    "sixtofour": [["2002:7f00:1::"]],
    "link": [["fe80::1"]],
    "unique": [["fd00::1"]],
    "untrusted": [["8.8.8.8"]],
    "misnamed": [["8.8.8.8"]],
}


def bring_up(label, address, mask):
    """Gives the loopback interface, or an alias of it, an address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, value in ((0x8916, address), (0x891C, mask)):
            of_interface = struct.pack("16sHH4s8x", label.encode(), socket.AF_INET, 0, socket.inet_aton(value))
            fcntl.ioctl(control, request, of_interface)
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", label.encode(), 0x1 | 0x40))


def answer(query, asked, note):
    """The answer to one question about a name (RFC 1035 §4)."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    kind = struct.unpack("!H", query[at + 1 : at + 3])[0]
    question = query[12 : at + 5]
    lists = NAMES.get(labels[0], [[]]) if labels[1:] == ["example", "org"] else [[]]
    is_six = any(":" in address for addresses in lists for address in addresses)
    addresses = []
    if kind == (28 if is_six else 1):
        turn = asked.get(labels[0], 0)
        asked[labels[0]] = turn + 1
        addresses = lists[turn % len(lists)]
        note(labels[0])
    records = b""
    for address in addresses:
        data = socket.inet_pton(socket.AF_INET6 if is_six else socket.AF_INET, address)
        records += struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(data)) + data
    return query[:2] + struct.pack("!HHHHH", 0x8180, 1, len(addresses), 0, 0) + question + records


def names(sock, path):
    asked = {}
    with open(path, "a", buffering=1) as log:
        while True:
            query, sender = sock.recvfrom(512)
            sock.sendto(answer(query, asked, lambda name: log.write(name + "\n")), sender)


def serve(listener, text, log=None, context=None):
    while True:
        stream, _ = listener.accept()
        if log:
            with open(log, "a") as victim:
                victim.write("reached\n")
        try:
            if context:
                stream = context.wrap_socket(stream, server_side=True)
            stream.settimeout(5)
            stream.recv(4096)
            head = f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {len(text)}\r\n\r\n"
            stream.sendall((head + text).encode())
        except OSError:
            pass
        stream.close()


def listening(family, address, port):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(64)
    return listener


def main():
    folder, *program = sys.argv[1:]
    at = lambda name: os.path.join(folder, name)
    bring_up("lo", "127.0.0.1", "255.0.0.0")
    bring_up("lo:1", PUBLIC, "255.255.255.255")
    for own, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("nsswitch.conf", "hosts: files dns\n")):
        with open(at(own), "w") as file:
            file.write(text)
        if os.path.exists(f"/etc/{own}"):
            subprocess.run(["mount", "--bind", at(own), f"/etc/{own}"], check=True)
    tls = {}
    for name in ("trusted", "untrusted"):
        tls[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls[name].load_cert_chain(at(f"{name}.pem"), at(f"{name}.key"))
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.bind(("127.0.0.1", 53))
    work = [
        (names, (resolver, at("names"))),
        (serve, (listening(socket.AF_INET, PUBLIC, 80), "public")),
        (serve, (listening(socket.AF_INET, PUBLIC, 443), "secret", None, tls["trusted"])),
        (serve, (listening(socket.AF_INET, PUBLIC, 8443), "secret", None, tls["untrusted"])),
        (serve, (listening(socket.AF_INET, "127.0.0.1", 80), "victim", at("victim"))),
        (serve, (listening(socket.AF_INET6, "::1", 80), "victim", at("victim"))),
    ]
    if os.fork() == 0:
        os.closerange(1, 2)
        for target, arguments in work:
            threading.Thread(target=target, args=arguments).start()
    else:
        os.environ["SSL_CERT_FILE"] = at("authority.pem")
        os.execv(program[0], program)


main()
