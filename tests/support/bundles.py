"""Plugins' bundles for live tests: what a publisher uploads, good and bad."""

import io
import json
import tarfile
import zipfile

PAGE = b"<!doctype html><title>A plugin</title><script src='app.js'></script><p>Hello</p>"
SCRIPT = b"document.body.append('it runs');\n" * 40


def manifest(slug, version="1.0.0", **members):
    return json.dumps({"slug": slug, "version": version, "entry": "index.html", "permissions": [], **members}).encode()


def files_of(slug, version="1.0.0", **members):
    return {"plugin.json": manifest(slug, version, **members), "index.html": PAGE, "app.js": SCRIPT,
            "README.md": b"# A plugin\n\nIt *says* hello.\n"}


def zip_of(files, raw=()):
    """A zip. `raw` are (name as bytes, content, Unix mode) whose names go in as they are."""
    out = io.BytesIO()
    stand_ins = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for n, (name, content, mode) in enumerate(raw):
            stand_in = f"{n:02x}".ljust(len(name), "~")[:len(name)]
            info = zipfile.ZipInfo(stand_in)
            info.create_system, info.external_attr = 3, mode << 16
            archive.writestr(info, content)
            stand_ins.append((stand_in.encode(), name))
    whole = out.getvalue()
    for stand_in, name in stand_ins:
        assert whole.count(stand_in) == 2 and len(stand_in) == len(name), stand_in
        whole = whole.replace(stand_in, name)
    return whole


def tar_of(files, more=(), mode="w:gz"):
    """A tar. `more` are TarInfo, or (TarInfo, content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for each in more:
            info, content = each if isinstance(each, tuple) else (each, b"")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def tar_entry(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info
