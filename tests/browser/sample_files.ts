// The Figma files that the tests open; each selects what its plugin shall work on.
import { mixed, picture, solid, type FakeFile } from './fake_file.js';
import { FakeFrame, FakeRectangle, FakeText } from './fake_nodes.js';

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
