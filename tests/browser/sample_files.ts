// The Figma files that the tests open; each selects what its plugin shall work on.
import type { SolidPaint } from '@figma/plugin-typings/plugin-api-standalone';
import { mixed, picture, solid, type FakeFile } from './fake_file.js';
import {
  FakeComponent,
  FakeComponentSet,
  FakeFrame,
  FakeGroup,
  FakeInstance,
  FakeRectangle,
  FakeSection,
  FakeSlice,
  FakeText,
  FakeVector,
  turnedAt,
  type FakeNode,
} from './fake_nodes.js';

const select = (file: FakeFile, ...nodes: FakeNode[]) =>
  (file.page.selection = nodes as unknown as typeof file.page.selection);

const kPhotos = [
  'photo',
  'avatar',
  'card-product',
  'card-revenue',
  'icon-heart',
  'icon-search',
  'toggle',
  'button-primary',
];
const kColours = ['#d7263d', '#1b998b', '#2e294e', '#f46036', '#c5d86d', '#3a86ff', '#8338ec', '#111827'];

async function photo(file: FakeFile, name: string) {
  const reply = await fetch(`/sample/${name}.png`);
  return picture(file.addImage(new Uint8Array(await reply.arrayBuffer())));
}

// A frame of fifty layers, every one of them selected, that nobody has named.
export async function fiftyLayers(file: FakeFile) {
  const frame = file.add(FakeFrame, { name: 'Frame 1', width: 1040, height: 540, fills: [solid('#ffffff')] });
  const photos = await Promise.all(kPhotos.map((name) => photo(file, name)));
  for (let i = 0; i < 50; ++i) {
    const place = { x: 20 + (i % 10) * 102, y: 20 + Math.floor(i / 10) * 104, width: 82, height: 84 };
    const colour = solid(kColours[i % kColours.length]);
    if (i % 5 === 0) {
      const text = { characters: `Line ${i} of text`, fontSize: 18, fills: [colour] };
      file.add(FakeText, { ...place, name: `Text ${i}`, ...text }, frame);
    } else if (i % 5 === 1) {
      file.add(FakeRectangle, { ...place, name: `image ${i}`, fills: [photos[(i >> 2) % photos.length]] }, frame);
    } else if (i % 5 === 2) {
      const button = file.add(
        FakeFrame,
        { ...place, height: 36, name: `Frame ${i}`, cornerRadius: 18, fills: [colour] },
        frame,
      );
      const label = {
        x: 16,
        y: 10,
        width: 60,
        height: 16,
        fontSize: 13,
        characters: 'Book',
        fills: [solid('#ffffff')],
      };
      file.add(FakeText, { ...label, name: 'Label' }, button);
    } else {
      file.add(
        FakeRectangle,
        { ...place, name: `Rectangle ${i}`, cornerRadius: i % 3 ? 8 : 42, fills: [colour] },
        frame,
      );
    }
  }
  file.page.selection = frame.children;
}

// A card such as generate-edits is for; its second text has two fonts and two sizes.
export async function card(file: FakeFile) {
  const frame = file.add(FakeFrame, {
    name: 'Travel card',
    width: 340,
    height: 420,
    cornerRadius: 16,
    fills: [solid('#ffffff')],
  });
  const inside = { x: 24, width: 292 };
  const bold = { family: 'Inter', style: 'Bold' };
  file.add(
    FakeRectangle,
    { ...inside, y: 24, height: 170, name: 'Photo', cornerRadius: 12, fills: [await photo(file, 'photo')] },
    frame,
  );
  file.add(
    FakeText,
    {
      ...inside,
      y: 214,
      height: 34,
      name: 'Title',
      characters: 'A week in the Dolomites',
      fontName: bold,
      fontSize: 24,
      fills: [solid('#111827')],
    },
    frame,
  );
  file.add(
    FakeText,
    {
      ...inside,
      y: 256,
      height: 66,
      name: 'Body',
      characters: 'Seven days of quiet trails, mountain huts and views worth the climb.',
      fontName: mixed,
      fontSize: mixed,
      fills: [solid('#6b7280')],
    },
    frame,
  );
  const button = file.add(
    FakeFrame,
    { x: 24, y: 346, width: 140, height: 48, name: 'Button', cornerRadius: 24, fills: [solid('#0d99ff')] },
    frame,
  );
  file.add(
    FakeText,
    {
      x: 32,
      y: 15,
      width: 90,
      height: 20,
      name: 'Label',
      characters: 'Book now',
      fontSize: 16,
      fills: [solid('#ffffff')],
    },
    button,
  );
  file.page.selection = [frame] as unknown as typeof file.page.selection;
}

// A library's page: a component set, components with a prefix or a folder, and all else that may stand there.
export async function library(file: FakeFile) {
  const blue = { fills: [solid('#3a86ff')], cornerRadius: 8 };
  const grey = { fills: [solid('#d1d5db')], cornerRadius: 8 };
  const set = file.add(FakeComponentSet, { name: 'Button set', width: 320, height: 100, fills: [solid('#ffffff')] });
  const small = file.add(FakeComponent, { name: 'Size=S', x: 20, y: 30, width: 80, height: 32, ...blue }, set);
  const label = { x: 12, y: 8, width: 60, height: 20, fontSize: 13, characters: 'Book', fills: [solid('#ffffff')] };
  file.add(FakeText, { ...label, name: 'Label' }, small);
  const large = file.add(FakeComponent, { name: 'Size=L', x: 140, y: 20, width: 140, height: 56, ...blue }, set);
  file.add(FakeText, { ...label, y: 18, name: 'Large label' }, large);
  const slot = file.add(FakeComponent, { name: '_Slot', x: 360, width: 100, height: 60, ...grey });
  const base = file.add(FakeComponent, { name: '.base', x: 480, width: 100, height: 60, ...grey });
  const icon = file.add(FakeComponent, { name: 'Icons/Arrow', x: 600, width: 48, height: 48 });
  file.add(FakeVector, { name: 'Vector 1', x: 8, y: 8, width: 32, height: 32, fills: [solid('#111827')] }, icon);
  const card = file.add(FakeFrame, { name: 'Card', y: 130, width: 320, height: 160, fills: [solid('#ffffff')] });
  file.add(FakeComponent, { name: 'Main inside', x: 20, y: 20, width: 60, height: 40, ...blue }, card);
  const instance = file.add(FakeInstance, { name: 'Button', x: 100, y: 20, width: 90, height: 40, ...blue }, card);
  file.add(FakeText, { ...label, name: 'In an instance' }, instance);
  file.add(FakeRectangle, { name: 'Hidden', visible: false, ...grey }, card);
  const group = file.add(FakeGroup, { name: 'Group 1', x: 20, y: 90, width: 120, height: 40 }, card);
  file.add(FakeRectangle, { name: 'Locked', x: 20, y: 90, width: 120, height: 40, locked: true, ...grey }, group);
  const section = file.add(FakeSection, { name: 'Section 1', x: 360, y: 130, width: 300, height: 160, fills: [solid('#f3f4f6')] });
  file.add(FakeRectangle, { name: 'Gone soon', x: 20, y: 20, width: 60, height: 60, ...blue }, section);
  file.add(FakeRectangle, { name: 'Named soon', x: 100, y: 20, width: 60, height: 60, ...blue }, section);
  file.add(FakeSlice, { name: 'Slice 1', x: 180, y: 20, width: 60, height: 60 }, section);
  select(file, set, slot, base, icon, card, section);
}

// A frame whose layers have more than a plain colour.
export async function delicate(file: FakeFile) {
  const poster = file.add(FakeFrame, { name: 'Poster', width: 360, height: 320, fills: [solid('#ffffff')] });
  const tile = (i: number) => ({ x: 20 + (i % 3) * 110, y: 20 + Math.floor(i / 3) * 75, width: 100, height: 64 });
  const black = solid('#000000');
  const blue = solid('#3a86ff') as SolidPaint;
  const bound = { ...blue, boundVariables: { color: { type: 'VARIABLE_ALIAS', id: 'VariableID:1:1' } } };
  const tint = { ...solid('#336699'), opacity: 0.4, blendMode: 'MULTIPLY' };
  const sky = {
    type: 'GRADIENT_LINEAR',
    gradientTransform: turnedAt(0, 0, 0),
    gradientStops: [
      { position: 0, color: { r: 0.2, g: 0.5, b: 0.9, a: 1 } },
      { position: 1, color: { r: 0.9, g: 0.6, b: 0.5, a: 1 } },
    ],
  };
  const add = (name: string, i: number, values: object) =>
    file.add(FakeRectangle, { name, ...tile(i), ...values }, poster);
  add('Tinted', 0, { fills: [{ ...black, visible: false }, tint] });
  add('Bound', 1, { fills: [bound] });
  add('Styled', 2, { fills: [blue], fillStyleId: 'S:1' });
  add('Photo', 3, { fills: [await photo(file, 'photo'), { ...black, opacity: 0.3 }] });
  add('Sky', 4, { fills: [sky] });
  add('Locked', 5, { fills: [solid('#1b998b')], locked: true });
  add('Empty', 6, { fills: [] });
  const words = { fontSize: 14, height: 20, characters: 'Some words', fills: [black] };
  file.add(FakeText, { name: 'Several', ...tile(7), ...words, fills: mixed }, poster);
  const missing = { family: 'Missing Sans', style: 'Regular' };
  file.add(FakeText, { name: 'Missing', ...tile(8), ...words, fontName: missing }, poster);
  const row = file.add(FakeFrame, { name: 'Row', ...tile(9), layoutMode: 'HORIZONTAL' }, poster);
  file.add(FakeRectangle, { name: 'Item', width: 40, height: 40, fills: [blue] }, row);
  const instance = file.add(FakeInstance, { name: 'Instance', ...tile(10), fills: [blue] }, poster);
  file.add(FakeText, { name: 'In an instance', x: 8, y: 8, width: 80, ...words }, instance);
  const line = { strokes: [black], x: 310, y: 250, width: 40, height: 40 };
  file.add(FakeVector, { name: 'Line art', ...line }, poster);
  select(file, poster);
}

// Turned, flipped, lying and grouped.
export async function turned(file: FakeFile) {
  const values = { relativeTransform: turnedAt(20, 180, -30), width: 300, height: 200, fills: [solid('#ffffff')] };
  const frame = file.add(FakeFrame, { name: 'Turned', ...values });
  const blue = { fills: [solid('#3a86ff')] };
  file.add(FakeRectangle, { name: 'Box', x: 20, y: 30, width: 40, height: 20, fills: [solid('#1b998b')] }, frame);
  file.add(FakeRectangle, { name: 'Flipped', relativeTransform: turnedAt(100, 40, 0, -1), width: 30, height: 30, ...blue }, frame);
  file.add(FakeRectangle, { name: 'Lying', relativeTransform: turnedAt(200, 20, 90), width: 60, height: 10, ...blue }, frame);
  const group = file.add(FakeGroup, { name: 'Group', x: 220, y: 140, width: 50, height: 40 }, frame);
  file.add(FakeRectangle, { name: 'Grouped', x: 220, y: 140, width: 50, height: 40, ...blue }, group);
  select(file, frame);
}

export async function manyLayers(file: FakeFile) {
  const fill = (frame: FakeFrame, count: number) => {
    for (let i = 0; i < count; ++i) {
      const place = { x: (i % 100) * 4, y: Math.floor(i / 100) * 4, width: 3, height: 3 };
      file.add(FakeRectangle, { name: `Dot ${i}`, ...place, fills: [solid('#3a86ff')] }, frame);
    }
  };
  fill(file.add(FakeFrame, { name: 'Big', width: 400, height: 40 }), 900);
  const huge = file.add(FakeFrame, { name: 'Huge', y: 60, width: 400, height: 240 });
  fill(huge, 6000);
  select(file, huge);
}

export async function hebrewAndArabic(file: FakeFile) {
  const names = ['כפתור ראשי', 'زر رئيسي 12', 'כותרת → (טיוטה)', 'A very long name, of the kind that a copy of a copy of a copy gets 🎉'];
  const nodes = names.map((name, i) =>
    file.add(FakeRectangle, { name, x: i * 120, width: 100, height: 60, cornerRadius: 12, fills: [solid(kColours[i])] }),
  );
  select(file, ...nodes);
}
