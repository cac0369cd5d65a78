"""What live tests and benchmarks send: PNGs, rename bodies of a wanted size, bearer tokens. Standard library only."""

import base64
import hashlib
import hmac
import json
import os
import struct
import time
import zlib

BODY_LIMIT = 20 * 1024 * 1024


def png(width, height, pixels):
    """A PNG of RGB bytes, stored and not deflated, so that its size is known beforehand."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = width * 3
    raw = b"".join(b"\0" + pixels[y * row : (y + 1) * row] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 0)) + chunk(b"IEND", b"")


def rename_body(layers, pixels_wide, pixels_high):
    """A rename of that many layers, each with a random image of its own."""
    return json.dumps(
        {
            "userEmail": "bench@example.com",
            "layers": [
                {
                    "id": f"1:{i}",
                    "imageBase64": base64.b64encode(
                        png(pixels_wide, pixels_high, os.urandom(3 * pixels_wide * pixels_high))
                    ).decode(),
                    "currentName": f"Rectangle {i}",
                    "type": "RECTANGLE",
                }
                for i in range(layers)
            ],
        }
    ).encode()


def largest_rename_body(layers, pixels_wide=320):
    """The same with images as high as fit under the limit on a body."""
    image_bytes = (BODY_LIMIT // layers - 150) * 3 // 4
    return rename_body(layers, pixels_wide, (image_bytes - 400) // (3 * pixels_wide + 1))


def bearer(secret, claims):
    """An HS256 token that is good for an hour."""

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    claims = {"exp": int(time.time()) + 3600, **claims}
    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + part(signature)).decode()
