// One variant as a card with a radio button: what it is about, and all that it would change.
import type { Instruction } from '../shared/instructions';
import { make } from './dom';
import type { Variant } from './replies';
import { count } from './sentences';

const kSwatchesMax = 8;

function inWords(one: Instruction): string {
  const round = (value: number): number => Math.round(value * 100) / 100;
  switch (one.action) {
    case 'setText':
      return `text “${one.text}”`;
    case 'setFill':
      return `colour ${one.fill.toUpperCase()}`;
    case 'setFontSize':
      return `font size ${round(one.fontSize)}`;
    case 'setCornerRadius':
      return `corner radius ${round(one.cornerRadius)}`;
    case 'setOpacity':
      return `opacity ${Math.round(one.opacity * 100)} %`;
    case 'move':
      return `moves to ${round(one.x)}, ${round(one.y)}`;
    case 'resize':
      return `size ${round(one.width)} × ${round(one.height)}`;
    case 'setVisible':
      return one.visible ? 'is shown' : 'is hidden';
    case 'generateImage':
      return one.picture ? `picture “${one.imagePrompt}”` : `idea for a picture: “${one.imagePrompt}”`;
  }
}

function swatches(instructions: Instruction[]): HTMLElement {
  const colours = new Set(instructions.flatMap((one) => (one.action === 'setFill' ? [one.fill.toUpperCase()] : [])));
  const row = make('span', { className: 'swatches' });
  row.setAttribute('aria-hidden', 'true'); // the list of changes says them
  for (const colour of [...colours].slice(0, kSwatchesMax)) {
    const swatch = make('span', { className: 'swatch', title: colour });
    swatch.style.backgroundColor = colour;
    row.append(swatch);
  }
  return row;
}

// `urls` hold pictures in memory until they are revoked.
export function variantCard(
  index: number,
  variant: Variant,
  names: Map<string, string>,
): { element: HTMLElement; urls: string[] } {
  const { theme, description, instructions } = variant;
  const urls: string[] = [];
  const images = make('span', { className: 'pictures' });
  for (const one of instructions) {
    if (one.action !== 'generateImage' || !one.picture) continue;
    const url = URL.createObjectURL(new Blob([one.picture as Uint8Array<ArrayBuffer>]));
    urls.push(url);
    images.append(make('img', { src: url, alt: one.imagePrompt }));
  }
  const made = instructions.filter((one) => one.action !== 'generateImage' || one.picture);
  const layers = new Set(made.map(({ layerId }) => layerId)).size;
  const radio = make('input', { type: 'radio', name: 'variant', value: String(index) });
  const text = make('span', { className: 'about', id: `variant-${index}-about` }, description);
  radio.setAttribute('aria-describedby', text.id);
  const lines = instructions.map((one) => make('li', {}, `${names.get(one.layerId) ?? 'A layer'}: ${inWords(one)}`));
  const element = make(
    'div',
    { className: 'card' },
    make('label', {}, radio, make('span', { className: 'theme' }, theme)),
    text,
    swatches(instructions),
    images,
    make(
      'details',
      {},
      make('summary', {}, `${count(made.length, 'change')} on ${count(layers, 'layer')}`),
      make('ul', {}, ...lines),
    ),
  );
  return { element, urls };
}
