#!/usr/bin/python3
"""tests/load/pictures.py FOLDER: draws everyday parts of interfaces, each in three looks, as PNG, JPEG and WebP, and
writes labels.json: what a designer would call each (`right`), and what is true of it but says less (`fair`).

The offline names are scored by it (tests/load/naming.py). Run by Debian's own Python, whose Pillow draws (python3-pil).
Deterministic. A third of the pictures is held out, by a hash of its name: nobody tunes the namer by looking at those.
"""

import hashlib
import json
import math
import random
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FINE = 4  # drawn so many times larger, then reduced: edges are smooth
FONTS = "/usr/share/fonts/opentype/inter/Inter-"

# ground, surface, outline, text, faint text, accent, its name, how much larger than the first look
LOOKS = [
    (None, "#ffffff", "#d0d5dd", "#101828", "#667085", "#2563eb", "Blue|Indigo", 1.0),
    ("#f3f4f6", "#ffffff", "#c4c9d2", "#1f2937", "#6b7280", "#16a34a", "Green", 1.5),
    ("#0b0f19", "#1f2937", "#4b5563", "#f9fafb", "#9ca3af", "#e11d48", "Red|Crimson|Rose", 2.0),
]
MARGINS = (0, 12, 6)


class Look:
    def __init__(self, number, width, height):
        (self.ground, self.surface, self.line, self.text, self.faint, self.accent, self.accent_name, self.scale) = LOOKS[number]
        margin = MARGINS[number]
        self.size = (round((width + 2 * margin) * self.scale), round((height + 2 * margin) * self.scale))
        self.image = Image.new("RGBA", [side * FINE for side in self.size], self.ground or (0, 0, 0, 0))
        self.pen = ImageDraw.Draw(self.image)
        self.margin, self.unit = margin, self.scale * FINE
        self.width, self.height = width, height
        self.random = random.Random(number)

    def at(self, *places):
        return [(place + self.margin) * self.unit for place in places]

    def box(self, x, y, w, h, fill=None, radius=0, outline=None, line=1):
        x, y, right, bottom = self.at(x, y, x + w, y + h)
        place = (x, y, right - 1, bottom - 1)
        self.pen.rounded_rectangle(place, radius * self.unit, fill, outline, round(line * self.unit) if outline else 0)

    def circle(self, x, y, r, fill=None, outline=None, line=2):
        x, y, right, bottom = self.at(x - r, y - r, x + r, y + r)
        self.pen.ellipse((x, y, right - 1, bottom - 1), fill, outline, round(line * self.unit) if outline else 0)

    def stroke(self, points, colour=None, line=2):
        points = [tuple(self.at(*point)) for point in points]
        colour, half = colour or self.text, line * self.unit / 2
        self.pen.line(points, colour, round(line * self.unit), "curve")
        for x, y in (points[0], points[-1]):
            self.pen.ellipse((x - half, y - half, x + half, y + half), colour)

    def shape(self, points, fill):
        self.pen.polygon([tuple(self.at(*point)) for point in points], fill)

    def write(self, x, y, text, size=14, colour=None, anchor="lm", weight="Medium"):
        font = ImageFont.truetype(f"{FONTS}{weight}.otf", round(size * self.unit))
        self.pen.text(tuple(self.at(x, y)), text, colour or self.text, font, anchor)

    def finish(self):
        return self.image.resize(self.size, Image.Resampling.BOX)


def star(x, y, r):
    return [(x + (r if i % 2 == 0 else r * 0.45) * math.sin(i * math.pi / 5),
             y - (r if i % 2 == 0 else r * 0.45) * math.cos(i * math.pi / 5)) for i in range(10)]


def heart(x, y, r):
    points = []
    for i in range(80):
        t = i * math.pi / 40
        points.append((x + r * math.sin(t) ** 3, y - r / 16 * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t))))
    return points


PARTS = []


def part(type_, width, height, right, fair="", coloured=False):
    """A picture's kind: `right` and `fair` are what its name's last word or words may be, parted by |."""

    def add(draw):
        PARTS.append((draw.__name__, type_, width, height, right, fair, coloured, draw))
        return draw

    return add


# ---- Controls ----------------------------------------------------------------------------------------------------


@part("FRAME", 140, 44, "Button", "Pill|Bar", True)
def button_pill(p):
    p.box(0, 0, 140, 44, p.accent, 22)
    p.write(70, 22, "Get started", 15, "#ffffff", "mm", "SemiBold")


@part("INSTANCE", 120, 40, "Button", "Rounded Rectangle|Bar", True)
def button_rounded(p):
    p.box(0, 0, 120, 40, p.accent, 8)
    p.write(60, 20, "Continue", 14, "#ffffff", "mm", "SemiBold")


@part("FRAME", 128, 40, "Button", "Field|Panel|Rounded Rectangle")
def button_outlined(p):
    p.box(0, 0, 128, 40, p.surface, 8, p.line)
    p.write(64, 20, "Cancel", 14, p.text, "mm")


@part("FRAME", 300, 52, "Button", "Bar|Banner", True)
def button_wide(p):
    p.box(0, 0, 300, 52, p.accent, 12)
    p.write(150, 26, "Add to basket", 16, "#ffffff", "mm", "SemiBold")


@part("INSTANCE", 44, 44, "Icon Button|Circle Button|Circle Icon|Plus Button|Plus Icon|Icon", "Button|Circle", True)
def button_round_plus(p):
    p.circle(22, 22, 22, p.accent)
    p.stroke([(14, 22), (30, 22)], "#ffffff")
    p.stroke([(22, 14), (22, 30)], "#ffffff")


@part("INSTANCE", 280, 44, "Field|Input", "Rounded Rectangle|Panel|Bar")
def input_field(p):
    p.box(0, 0, 280, 44, p.surface, 8, p.line)
    p.write(14, 22, "Your email", 15, p.faint)


@part("FRAME", 280, 44, "Field|Input|Dropdown|Select", "Rounded Rectangle|Panel|Bar")
def input_dropdown(p):
    p.box(0, 0, 280, 44, p.surface, 8, p.line)
    p.write(14, 22, "Germany", 15)
    p.stroke([(252, 19), (258, 25), (264, 19)], p.faint)


@part("FRAME", 280, 40, "Search Field|Field|Input", "Pill|Panel|Bar")
def input_search(p):
    p.box(0, 0, 280, 40, p.surface, 20, p.line)
    p.circle(20, 19, 6, None, p.faint)
    p.stroke([(24.5, 23.5), (28, 27)], p.faint)
    p.write(38, 20, "Search", 15, p.faint)


@part("FRAME", 20, 20, "Checkbox", "Icon|Rounded Square|Square", True)
def checkbox_checked(p):
    p.box(0, 0, 20, 20, p.accent, 4)
    p.stroke([(5, 10.5), (8.5, 14), (15, 7)], "#ffffff")


@part("INSTANCE", 20, 20, "Checkbox", "Icon|Rounded Square|Square")
def checkbox_empty(p):
    p.box(0, 0, 20, 20, p.surface, 4, p.line, 1.5)


@part("INSTANCE", 20, 20, "Radio Button", "Icon|Circle")
def radio_selected(p):
    p.circle(10, 10, 10, p.surface, p.accent, 2)
    p.circle(10, 10, 5, p.accent)


@part("INSTANCE", 20, 20, "Radio Button", "Icon|Circle|Dot")
def radio_empty(p):
    p.circle(10, 10, 10, p.surface, p.line, 1.5)


@part("INSTANCE", 44, 24, "Toggle|Switch", "Pill", True)
def switch_on(p):
    p.box(0, 0, 44, 24, p.accent, 12)
    p.circle(32, 12, 10, "#ffffff")


@part("INSTANCE", 44, 24, "Toggle|Switch", "Pill")
def switch_off(p):
    p.box(0, 0, 44, 24, p.line, 12)
    p.circle(12, 12, 10, "#ffffff")


@part("GROUP", 240, 20, "Slider", "Group|Shape|Line|Bar")
def slider(p):
    p.box(0, 8, 240, 4, p.line, 2)
    p.box(0, 8, 96, 4, p.accent, 2)
    p.circle(96, 10, 10, p.accent)


@part("FRAME", 240, 8, "Progress Bar", "Bar|Pill|Line")
def progress_thin(p):
    p.box(0, 0, 240, 8, p.line, 4)
    p.box(0, 0, 150, 8, p.accent, 4)


@part("FRAME", 300, 16, "Progress Bar", "Bar|Pill|Line")
def progress_thick(p):
    p.box(0, 0, 300, 16, p.line, 8)
    p.box(0, 0, 90, 16, p.accent, 8)


@part("FRAME", 280, 40, "Tab Bar|Tabs", "Text Line|Bar|Panel|Navigation Bar")
def tabs_underlined(p):
    if p.ground is None:
        p.box(0, 0, 280, 40, p.surface)
    for x, word in ((16, "Overview"), (112, "Activity"), (200, "Settings")):
        p.write(x, 18, word, 14, p.accent if x == 16 else p.faint)
    p.box(0, 39, 280, 1, p.line)
    p.box(12, 37, 76, 3, p.accent)


@part("FRAME", 240, 36, "Segmented Control|Tab Bar|Tabs", "Bar|Pill|Field|Panel")
def tabs_segmented(p):
    p.box(0, 0, 240, 36, p.line, 8)
    p.box(3, 3, 78, 30, p.surface, 6)
    for x, word in ((42, "Day"), (120, "Week"), (198, "Month")):
        p.write(x, 18, word, 13, p.text, "mm")


# ---- Icons -------------------------------------------------------------------------------------------------------


@part("VECTOR", 24, 24, "Menu Icon", "Icon")
def icon_menu(p):
    for y in (6, 12, 18):
        p.stroke([(4, y), (20, y)])


@part("VECTOR", 24, 24, "Close Icon", "Icon")
def icon_close(p):
    p.stroke([(6, 6), (18, 18)])
    p.stroke([(18, 6), (6, 18)])


@part("VECTOR", 24, 24, "Plus Icon", "Icon")
def icon_plus(p):
    p.stroke([(12, 4), (12, 20)])
    p.stroke([(4, 12), (20, 12)])


@part("VECTOR", 24, 24, "Arrow Icon", "Icon")
def icon_arrow_right(p):
    p.stroke([(4, 12), (20, 12)])
    p.stroke([(13, 5), (20, 12), (13, 19)])


@part("VECTOR", 24, 24, "Arrow Icon", "Icon")
def icon_arrow_up(p):
    p.stroke([(12, 20), (12, 4)])
    p.stroke([(5, 11), (12, 4), (19, 11)])


@part("VECTOR", 24, 24, "Chevron Icon|Arrow Icon", "Icon")
def icon_chevron_left(p):
    p.stroke([(15, 5), (8, 12), (15, 19)])


@part("VECTOR", 24, 24, "Check Icon", "Icon")
def icon_check(p):
    p.stroke([(4, 12), (10, 18), (20, 6)])


@part("FRAME", 24, 24, "Search Icon", "Icon")
def icon_search(p):
    p.circle(10.5, 10.5, 7, None, p.text)
    p.stroke([(15.5, 15.5), (21, 21)])


@part("VECTOR", 32, 32, "Heart Icon", "Icon", True)
def icon_heart(p):
    p.shape(heart(16, 16, 14), p.accent)


@part("STAR", 32, 32, "Star Icon|Star", "Icon", True)
def icon_star(p):
    p.shape(star(16, 17, 15), p.accent)


@part("GROUP", 24, 24, "More Icon|Dots Icon|Dots", "Icon|Group")
def icon_more(p):
    for x in (5, 12, 19):
        p.circle(x, 12, 2, p.text)


@part("VECTOR", 24, 24, "Play Icon|Triangle Icon|Triangle", "Icon|Shape", True)
def icon_play(p):
    p.shape([(5, 3), (21, 12), (5, 21)], p.accent)


@part("FRAME", 24, 24, "Icon")
def icon_home(p):
    p.stroke([(4, 11), (12, 4), (20, 11)])
    p.stroke([(6, 10), (6, 20), (18, 20), (18, 10)])


@part("FRAME", 24, 24, "Icon")
def icon_person(p):
    p.circle(12, 8, 4, None, p.text)
    p.pen.arc(p.at(4, 14, 20, 30), 180, 360, p.text, round(2 * p.unit))


@part("GROUP", 132, 24, "Star Rating|Rating|Stars", "Icons|Group|Shape")
def rating_five(p):
    for i in range(5):
        p.shape(star(12 + 27 * i, 12.5, 11), "#f59e0b" if i < 4 else p.line)


@part("FRAME", 90, 18, "Star Rating|Rating|Stars", "Icons|Group|Shape")
def rating_full(p):
    for i in range(5):
        p.shape(star(9 + 18 * i, 9.5, 8), p.accent)


@part("FRAME", 52, 8, "Page Dots|Dots|Page Indicator", "Group|Shape|Icons")
def dots(p):
    for i in range(4):
        p.circle(4 + 14 * i, 4, 4, p.accent if i == 1 else p.line)


# ---- Text --------------------------------------------------------------------------------------------------------


@part("TEXT", 220, 40, "Heading", "Text Line|Text")
def heading(p):
    p.write(0, 20, "Pick a place", 34, weight="Bold")


@part("TEXT", 200, 20, "Text Line|Label|Text", "Paragraph|Heading")
def label(p):
    p.write(0, 10, "Forgot your password?", 14)


@part("TEXT", 300, 84, "Paragraph", "Text|Text Line")
def paragraph(p):
    for i, line in enumerate(("Nothing is in the way, and nothing is far.", "Begin with what you have and make it",
                              "your own. Share it when it is ready,", "or keep it to yourself.")):
        p.write(0, 10 + 21 * i, line, 14, p.faint)


@part("GROUP", 300, 84, "Paragraph", "Text|Text Line|Group")
def paragraph_in_a_group(p):
    paragraph(p)


@part("FRAME", 64, 22, "Badge|Chip|Tag|Pill Badge", "Pill|Button", True)
def badge(p):
    p.box(0, 0, 64, 22, p.accent, 11)
    p.write(32, 11, "New", 12, "#ffffff", "mm", "SemiBold")


@part("INSTANCE", 84, 30, "Chip|Badge|Tag|Button", "Pill|Field")
def chip(p):
    p.box(0, 0, 84, 30, p.surface, 15, p.line)
    p.write(42, 15, "Travel", 13, p.text, "mm")


# ---- Larger parts ------------------------------------------------------------------------------------------------


@part("RECTANGLE", 132, 132, "QR Code", "Pattern|Image|Icon|Square")
def qr_code(p):
    p.box(0, 0, 132, 132, "#ffffff")
    n, cell = 25, 4.8
    for y in range(n):
        for x in range(n):
            if p.random.random() < 0.5:
                p.box(6 + x * cell, 6 + y * cell, cell, cell, "#000000")
    for x, y in ((0, 0), (18, 0), (0, 18)):
        for fill, inset, side in (("#ffffff", -1, 9), ("#000000", 0, 7), ("#ffffff", 1, 5), ("#000000", 2, 3)):
            p.box(6 + (x + inset) * cell, 6 + (y + inset) * cell, side * cell, side * cell, fill)


@part("FRAME", 360, 200, "Table", "Card|Panel|List|Paragraph|Group")
def table(p):
    p.box(0, 0, 360, 200, p.surface, 0, p.line)
    for row, cells in enumerate((("Name", "Role", "Status"), ("Ada", "Editor", "Active"), ("Grace", "Owner", "Active"),
                                 ("Linus", "Viewer", "Invited"), ("Barbara", "Editor", "Active"))):
        for x, cell in zip((16, 150, 270), cells):
            p.write(x, 20 + 40 * row, cell, 14, p.faint if row == 0 else p.text)
        if row:
            p.box(0, 40 * row, 360, 1, p.line)


@part("GROUP", 240, 140, "Bar Chart|Chart", "Group|Card|Illustration|Panel|Shape")
def chart_bars(p):
    for i, height in enumerate((60, 96, 40, 120, 84, 132)):
        p.box(40 * i + 6, 140 - height, 26, height, p.accent)


@part("FRAME", 300, 180, "Bar Chart|Chart", "Group|Card|Illustration|Panel")
def chart_bars_on_a_card(p):
    p.box(0, 0, 300, 180, p.surface, 12, p.line)
    for i, height in enumerate((40, 75, 58, 110, 90)):
        p.box(30 + 50 * i, 160 - height, 30, height, p.accent, 2)


@part("FRAME", 300, 160, "Line Chart|Chart", "Card|Group|Panel|Shape|Illustration")
def chart_line(p):
    p.box(0, 0, 300, 160, p.surface, 12, p.line)
    p.stroke([(16, 120), (60, 90), (105, 104), (150, 60), (195, 74), (240, 36), (284, 48)], p.accent, 3)


@part("GROUP", 120, 120, "Donut Chart|Ring Chart|Chart|Ring", "Circle|Group|Shape|Icon")
def chart_donut(p):
    for fill, begin, end in ((p.accent, -90, 110), ("#f59e0b", 110, 200), ("#7c8aa5", 200, 270)):
        p.pen.pieslice(p.at(0, 0, 120, 120), begin, end, fill)
    hole = Image.new("RGBA", p.image.size, p.ground or (0, 0, 0, 0))
    mask = Image.new("L", p.image.size, 0)
    ImageDraw.Draw(mask).ellipse(p.at(28, 28, 92, 92), 255)
    p.image.paste(hole, (0, 0), mask)


@part("FRAME", 280, 220, "Card", "Panel|Frame")
def card_with_picture(p):
    p.box(0, 0, 280, 220, p.surface, 12, p.line)
    p.box(1, 1, 278, 120, "#7aa7c7", 11)
    p.write(16, 146, "Old harbour", 18, weight="SemiBold")
    p.write(16, 172, "Two hours by train", 13, p.faint)
    p.write(16, 196, "from 48 EUR", 13, p.accent)


@part("FRAME", 240, 110, "Card", "Panel|Frame")
def card_figure(p):
    p.box(0, 0, 240, 110, p.surface, 12, p.line)
    p.write(18, 28, "Revenue", 13, p.faint)
    p.write(18, 62, "48,290", 28, weight="Bold")


@part("INSTANCE", 40, 40, "Avatar", "Circle Icon|Icon|Circle")
def avatar_initials(p):
    p.circle(20, 20, 20, p.accent)
    p.write(20, 20, "AK", 15, "#ffffff", "mm", "SemiBold")


@part("ELLIPSE", 64, 64, "Avatar", "Circle|Icon")
def avatar_person(p):
    p.circle(32, 32, 32, "#cbd5e1")
    p.circle(32, 25, 11, "#7b5a44")
    p.pen.pieslice(p.at(13, 38, 51, 76), 195, 345, p.accent)


@part("FRAME", 320, 56, "Toast|Snackbar|Alert", "Bar|Banner|Card|Panel|Field")
def toast(p):
    p.box(0, 0, 320, 56, "#111827" if p.ground != "#0b0f19" else "#374151", 10)
    p.circle(28, 28, 8, "#22c55e")
    p.write(50, 28, "Your changes are saved", 14, "#ffffff")


@part("FRAME", 340, 190, "Dialog|Modal", "Card|Panel")
def dialog(p):
    p.box(0, 0, 340, 190, p.surface, 14, p.line)
    p.write(24, 36, "Delete this file?", 18, weight="SemiBold")
    p.write(24, 70, "It is gone from all devices at once,", 14, p.faint)
    p.write(24, 92, "and cannot be brought back.", 14, p.faint)
    p.box(132, 134, 84, 38, p.surface, 8, p.line)
    p.write(174, 153, "Cancel", 14, p.text, "mm")
    p.box(228, 134, 88, 38, p.accent, 8)
    p.write(272, 153, "Delete", 14, "#ffffff", "mm")


@part("FRAME", 390, 844, "Screen", "Card|Panel|Frame")
def phone_screen(p):
    p.box(0, 0, 390, 844, p.surface)
    p.write(20, 80, "Discover", 30, weight="Bold")
    p.box(20, 120, 350, 44, p.line, 10)
    for i in range(3):
        p.box(20, 190 + 180 * i, 350, 160, p.accent if i == 0 else p.line, 14)
    p.box(0, 770, 390, 1, p.line)
    for i in range(4):
        p.circle(55 + 93 * i, 800, 12, p.faint)


@part("FRAME", 640, 64, "Navigation Bar|Navbar|Header|Tab Bar", "Bar|Banner|Panel")
def navigation_bar(p):
    p.box(0, 0, 640, 64, p.surface, 0, p.line)
    p.box(20, 18, 28, 28, p.accent, 8)
    p.write(60, 32, "Harbour", 18, weight="Bold")
    for x, word in ((330, "Product"), (410, "Prices"), (480, "Help")):
        p.write(x, 32, word, 14, p.faint)
    p.box(546, 14, 76, 36, p.accent, 8)
    p.write(584, 32, "Sign in", 14, "#ffffff", "mm")


@part("INSTANCE", 390, 72, "Tab Bar|Navigation Bar|Bottom Bar", "Bar|Banner|Panel")
def tab_bar(p):
    p.box(0, 0, 390, 72, p.surface, 0, p.line)
    for i, word in enumerate(("Home", "Find", "Saved", "You")):
        x, colour = 49 + 97.5 * i, p.accent if i == 0 else p.faint
        p.circle(x, 26, 10, None, colour)
        p.write(x, 54, word, 11, colour, "mm")


@part("RECTANGLE", 240, 160, "Photo", "Image|Gradient")
def photo(p):
    size = (96, 64)
    small = Image.new("RGB", size)
    for y in range(size[1]):
        for x in range(size[0]):
            hill = 30 + 8 * math.sin(x / 11) + 5 * math.sin(x / 4)
            base = (120 + y, 170, 220 - y) if y < hill else (70 + y // 2, 110 + 20 * math.sin(x / 3), 60)
            noise = p.random.gauss(0, 14)
            small.putpixel((x, y), tuple(max(0, min(255, round(c + noise))) for c in base))
    left, top, right, bottom = (round(place) for place in p.at(0, 0, 240, 160))
    p.image.paste(small.resize((right - left, bottom - top), Image.Resampling.BICUBIC), (left, top))


@part("RECTANGLE", 240, 160, "Gradient Rectangle|Gradient Large Rectangle|Gradient Rounded Rectangle|Gradient", "Rectangle")
def gradient(p):
    left, top, right, bottom = (round(place) for place in p.at(0, 0, 240, 160))
    ramp = Image.linear_gradient("L").rotate(90).resize((right - left, bottom - top))
    ends = [Image.new("RGB", ramp.size, colour) for colour in ("#7c3aed", "#38bdf8")]
    p.image.paste(Image.composite(*ends, ramp), (left, top))


@part("LINE", 240, 1, "Divider", "Line")
def divider(p):
    p.box(0, 0, 240, 1, p.faint)


@part("RECTANGLE", 160, 96, "Rectangle", "Shape|Panel", True)
def rectangle(p):
    p.box(0, 0, 160, 96, p.accent, 10)


@part("ELLIPSE", 96, 96, "Circle", "Shape", True)
def circle(p):
    p.circle(48, 48, 48, p.accent)


@part("FRAME", 320, 216, "List|Table|Card", "Panel|Frame|Group")
def list_of_people(p):
    p.box(0, 0, 320, 216, p.surface, 12, p.line)
    for i, name in enumerate(("Ada Lovelace", "Grace Hopper", "Barbara Liskov")):
        p.circle(38, 36 + 72 * i, 18, p.accent if i != 1 else "#f59e0b")
        p.write(70, 28 + 72 * i, name, 15)
        p.write(70, 48 + 72 * i, "Writes compilers", 12, p.faint)
        if i:
            p.box(16, 72 * i, 288, 1, p.line)


def held_out(name):
    return hashlib.sha256(name.encode()).digest()[0] % 3 == 0


def draw(folder):
    labels = []
    for name, type_, width, height, right, fair, coloured, paint in PARTS:
        for look in range(len(LOOKS)):
            p = Look(look, width, height)
            paint(p)
            picture, file = p.finish(), f"{name}_{look}"
            picture.save(folder / f"{file}.png")
            picture.save(folder / f"{file}.webp", quality=85)
            flat = Image.new("RGB", picture.size, "#ffffff")
            flat.paste(picture, (0, 0), picture)
            flat.save(folder / f"{file}.jpg", quality=(92, 80, 70)[look])
            labels.append({"name": file, "type": type_, "right": right, "fair": fair,
                           "colour": p.accent_name if coloured else "", "held_out": held_out(file)})
    (folder / "labels.json").write_text(json.dumps(labels), encoding="utf-8")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    draw(target)
