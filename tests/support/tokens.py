"""JSON Web Tokens of every kind, good and bad, and key pairs made with the openssl program."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import time


def encoded(data):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_with(secret, claims, header=None, digest=hashlib.sha256):
    """A token of HMAC; claims and header may be bytes, so that they can be malformed."""
    text = f"{encoded(header or {'alg': 'HS256', 'typ': 'JWT'})}.{encoded(claims)}"
    return f"{text}.{encoded(hmac.new(secret.encode(), text.encode(), digest).digest())}"


def in_seconds(seconds):
    return int(time.time()) + seconds


class KeyPair:
    """An RS256 or ES256 key in a file of `folder`, under the name `kid`."""

    def __init__(self, algorithm, kid, folder):
        self.algorithm, self.kid, self.file = algorithm, kid, folder / f"{kid}.pem"
        kind, option = {"RS256": ("RSA", "rsa_keygen_bits:2048"), "ES256": ("EC", "ec_paramgen_curve:P-256")}[algorithm]
        openssl("genpkey", "-algorithm", kind, "-pkeyopt", option, "-out", self.file)

    def jwk(self):
        if self.algorithm == "RS256":
            modulus = openssl("rsa", "-in", self.file, "-noout", "-modulus").decode().strip().partition("=")[2]
            return {"kty": "RSA", "kid": self.kid, "use": "sig", "n": encoded(bytes.fromhex(modulus)), "e": "AQAB"}
        point = openssl("ec", "-in", self.file, "-pubout", "-outform", "DER")[-64:]
        return {"kty": "EC", "kid": self.kid, "crv": "P-256", "x": encoded(point[:32]), "y": encoded(point[32:])}

    def public_pem(self):
        return openssl("pkey", "-in", self.file, "-pubout").decode()

    def signed(self, claims, **header):
        header = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **header}
        text = f"{encoded({k: v for k, v in header.items() if v is not None})}.{encoded(claims)}"
        signature = openssl("dgst", "-sha256", "-sign", self.file, given=text.encode())
        if self.algorithm == "ES256":  # RFC 7518, section 3.4: the two numbers, 32 bytes each, and no DER
            parsed = openssl("asn1parse", "-inform", "DER", given=signature).decode()
            numbers = re.findall("INTEGER +:([0-9A-F]+)", parsed)
            signature = b"".join(int(number, 16).to_bytes(32, "big") for number in numbers)
        return f"{text}.{encoded(signature)}"


def openssl(*words, given=None):
    return subprocess.run(["openssl", *words], input=given, capture_output=True, timeout=60, check=True).stdout
