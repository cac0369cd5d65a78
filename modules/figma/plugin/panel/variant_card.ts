// One variant as a card with a radio button: what it would look like, what it is about, and all that it would change.
import type { Instruction } from '../shared/instructions';
import type { ExportedFrame, Harm } from '../shared/messages';
import { afterwards, feasible, harmIn } from './afterwards';
import { make } from './dom';
import { drawing } from './drawing';
import type { Variant } from './replies';
import { count } from './sentences';

type Kept = Extract<Harm, { kept: string }>['kept'];
type Lost = Extract<Harm, { lost: string }>['lost'];

const kKept: Record<Kept, string> = {
  locked: 'locked layers stay as they are',
  picture: 'pictures stay',
  gradient: 'gradients stay',
  line: 'line drawings get no fill',
  'several colours': 'layers of several colours stay',
  font: 'a font is missing',
  layout: 'auto layout places and sizes its layers',
  instance: 'an instance holds its layers in place',
  turned: 'turned layers keep their size',
  frame: 'the frame itself stays where it is',
  without: 'some layers have no such property',
};
const kLost: Record<Lost, [one: string, more: string]> = {
  style: ['layer lets go of its style or variable', 'layers let go of their style or variable'],
  'mixed text': ['text loses its mixed style', 'texts lose their mixed style'],
  corners: ['layer gets four equal corners', 'layers get four equal corners'],
};

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

// "2 changes are left out: pictures stay. 1 layer lets go of its style or variable."
function warning(frame: ExportedFrame, instructions: Instruction[]): string {
  const kept = new Set<Kept>();
  const lost = new Map<Lost, Set<string>>();
  let left = 0;
  for (const one of instructions) {
    const harm = harmIn(frame, one);
    if (!harm) continue;
    if ('kept' in harm) {
      ++left;
      kept.add(harm.kept);
    } else {
      lost.set(harm.lost, (lost.get(harm.lost) ?? new Set()).add(one.layerId));
    }
  }
  const parts = [...lost].map(([what, { size }]) => `${size} ${kLost[what][size === 1 ? 0 : 1]}.`);
  if (left) {
    const why = [...kept].map((one) => kKept[one]).join('; ');
    parts.unshift(`${count(left, 'change')} ${left === 1 ? 'is' : 'are'} left out: ${why}.`);
  }
  return parts.join(' ');
}

function lineOf(frame: ExportedFrame, one: Instruction): HTMLElement {
  const name = frame.layers.find(({ id }) => id === one.layerId)?.name ?? 'A layer';
  const harm = harmIn(frame, one);
  const left = harm && 'kept' in harm ? ' (left out)' : '';
  return make('li', {}, make('bdi', {}, name), ': ', make('bdi', {}, inWords(one)), left);
}

export function variantCard(index: number, variant: Variant, frame: ExportedFrame): HTMLElement {
  const { theme, description, instructions } = variant;
  const made = feasible(frame, instructions);
  const layers = new Set(made.map(({ layerId }) => layerId)).size;
  const radio = make('input', { type: 'radio', name: 'variant', value: String(index) });
  const text = make('span', { className: 'about', id: `variant-${index}-about`, dir: 'auto' }, description);
  const warned = make('span', { className: 'warning', id: `variant-${index}-warning` }, warning(frame, instructions));
  radio.setAttribute('aria-describedby', `${text.id} ${warned.id}`);
  const title = make('bdi', { id: `variant-${index}-theme` }, theme);
  radio.setAttribute('aria-labelledby', title.id);
  const drawn = drawing(frame, afterwards(frame, instructions), `What ${theme} would look like`);
  const label = make('label', {}, make('span', { className: 'theme' }, radio, title), make('span', { className: 'look' }, drawn), text, warned);
  return make(
    'div',
    { className: 'card' },
    label,
    make(
      'details',
      {},
      make('summary', {}, `${count(made.length, 'change')} on ${count(layers, 'layer')}`),
      make('ul', {}, ...instructions.map((one) => lineOf(frame, one))),
    ),
  );
}
