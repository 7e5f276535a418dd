#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# A producer and a worker: worker.py QUEUE [BODY...] adds the bodies, then works.
import os, socket, sys, msgpack

queue, bodies = sys.argv[1], [body.encode() for body in sys.argv[2:]]
connection = socket.socket(socket.AF_UNIX)
connection.connect(os.environ.get("GSQ_DIR", "/run/gsq") + "/gsq.sock")
send = lambda *message: connection.sendall(msgpack.packb(message))
send(0, 1, "subscribe", [{"queue": queue, "name": "python-%d" % os.getpid()}])
send(0, 2, "enqueue", [{"queue": queue, "bodies": bodies}])
send(2, "demand", [{"queue": queue, "n": 1}])  # one job, please
messages = msgpack.Unpacker(raw=False)
while messages.feed(connection.recv(65536) or sys.exit("gsq is gone")) is None:
    for kind, *rest in messages:
        if kind == 1 and rest[1]: sys.exit(rest[1][1])
        if kind == 0 and rest[1] == "job":
            print("job", rest[2][0]["id"], rest[2][0]["body"].decode(), flush=True)
            send(1, rest[0], None, None)  # done; then ask for the next one
            send(2, "demand", [{"queue": queue, "n": 1}])
