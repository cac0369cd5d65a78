"""The score of the offline names: what a fleet without a provider calls the pictures of tests/load/pictures.py."""

import base64
import json
import re
import subprocess
from pathlib import Path

FORMATS = ("png", "jpg", "webp")
DRAW = Path(__file__).resolve().parent / "pictures.py"


def pictures(folder):
    """Draws them; their labels, each with its file's names. Debian's own Python, whichever one runs this."""
    subprocess.run(["/usr/bin/python3", "-B", str(DRAW), str(folder)], check=True)
    return json.loads((Path(folder) / "labels.json").read_text(encoding="utf-8"))


def layers(folder, labels):
    """The layers of one rename: each picture in each format."""
    return [
        {"id": f"{one['name']}.{ending}", "currentName": "Frame 427", "type": one["type"],
         "imageBase64": base64.b64encode((Path(folder) / f"{one['name']}.{ending}").read_bytes()).decode()}
        for one in labels for ending in FORMATS
    ]


def names(folder, labels, ask):
    """What each is called, by its file's name. `ask` sends the layers of one rename and gives the reply's."""
    sent = layers(folder, labels)
    return {one["id"]: one.get("newName", "") for i in range(0, len(sent), 100) for one in ask(sent[i : i + 100])}


def judge(label, name):
    """'right', 'fair' or 'wrong'."""

    def ends(nouns):
        return nouns and re.search(rf"(^| )({nouns})$", name)

    if ends(label["right"]):
        return "right" if re.match(label["colour"], name) else "fair"
    return "fair" if ends(label["fair"]) else "wrong"


def score(labels, names):
    """Of each third: how many names of each kind, and of pictures whose formats have names apart."""
    result = {}
    for held_out in (False, True):
        counts = {"right": 0, "fair": 0, "wrong": 0, "apart": 0}
        for one in labels:
            if one["held_out"] == held_out:
                given = [names[f"{one['name']}.{ending}"] for ending in FORMATS]
                for name in given:
                    counts[judge(one, name)] += 1
                counts["apart"] += len(set(given)) > 1
        result["held out" if held_out else "seen"] = counts
    return result
