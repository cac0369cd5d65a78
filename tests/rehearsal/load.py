#!/usr/bin/env python3
"""load.py STOP [again]: asks the fleet of this machine, kept-alive, until the file STOP is there, then for at least
10,000 requests in all, but for five minutes at the most. Every third POSTs a rename. Prints how many, and what
failed; exits 1 where one did. With "again" a request on a kept connection that ends without an answer is sent once
more on a new one, as browsers do (RFC 9112, 9.3.1), and counted as such. Runs in the rehearsal's machine."""

import base64
import collections
import http.client
import json
import os
import ssl
import sys
import threading
import time

CLIENTS, RATE, LEAST, SECONDS = 12, 300, 10_000, 300
SAMPLE = "/usr/lib/plugfleet/modules/figma/sample/button-primary.png"

AGAIN = "sent again on a new connection"

stop, again, end = sys.argv[1], sys.argv[2:] == ["again"], time.monotonic() + SECONDS
with open(SAMPLE, "rb") as file:
    image = base64.b64encode(file.read()).decode()
layer = {"id": "1", "currentName": "Frame 1", "type": "FRAME", "imageBase64": image}
body = json.dumps({"userEmail": "you@example.com", "layers": [layer]})
trust = ssl.create_default_context(cafile="/etc/plugfleet/tls/certificate.pem")
said, lock = collections.Counter(), threading.Lock()


def ask(connection, number):
    if number % 3:
        connection.request("GET", "/healthz")
    else:
        connection.request("POST", "/api/rename-layers", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    return "ok" if response.status == 200 else f"{response.status} {text[:200]!r}"


def client(index):
    connection, number, due = None, index, time.monotonic()
    while time.monotonic() < end and (said.total() - said[AGAIN] < LEAST or not os.path.exists(stop)):
        kept = connection is not None
        connection = connection or http.client.HTTPSConnection("plugfleet-test", context=trust, timeout=30)
        try:
            result = ask(connection, number)
        except (OSError, http.client.HTTPException) as why:
            result = AGAIN if again and kept else repr(why)
            connection.close()
            connection = None
        with lock:
            said[result] += 1
        if result == AGAIN:
            continue
        number += 1
        due += CLIENTS / RATE
        time.sleep(max(0, due - time.monotonic()))


clients = [threading.Thread(target=client, args=(index,)) for index in range(CLIENTS)]
for each in clients:
    each.start()
for each in clients:
    each.join()
asked = said.total() - said[AGAIN]
failed = asked - said["ok"]
for what, count in said.most_common():
    print(count, what)
print(f"= {asked} requests, {failed} failed" + (f", {said[AGAIN]} {AGAIN}" if again else ""))
sys.exit(failed > 0 or asked < LEAST)
