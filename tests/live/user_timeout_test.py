"""What is preloaded into nginx: a socket that listens, and the connections it accepts, end with a silent peer."""

import os
import socket
import subprocess
import sys
import unittest
from pathlib import Path

LIBRARY = Path(os.environ.get("BUILD", "build/release"), "lib/nginx-user-timeout.so").resolve()

PROGRAM = """
import socket
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen(8)
client = socket.create_connection(listening.getsockname())
accepted, _ = listening.accept()
accepted.sendall(b"served")
print(listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
      accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), client.recv(6).decode())
"""


class UserTimeout(unittest.TestCase):
    def run_with(self, **environment):
        done = subprocess.run([sys.executable, "-c", PROGRAM], env={**os.environ, **environment}, capture_output=True, text=True)
        self.assertEqual("", done.stderr)
        return done.stdout.split()

    def test_a_connection_that_nobody_acknowledges_ends_within_a_minute(self):
        self.assertEqual(["60000", "60000", "served"], self.run_with(LD_PRELOAD=str(LIBRARY)))
        self.assertEqual(["0", "0", "served"], self.run_with())

    def test_other_sockets_than_those_of_tcp_listen_as_before(self):
        program = "import socket; s = socket.socket(socket.AF_UNIX); s.bind(b'\\0' + b'plugfleet-test'); s.listen(1)"
        done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "LD_PRELOAD": str(LIBRARY)}, capture_output=True)
        self.assertEqual(0, done.returncode, done.stderr)


if __name__ == "__main__":
    unittest.main()
