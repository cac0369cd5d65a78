// The server's results, checked: only what has the API's shape gets further, and only so much of it.
import type { Instruction } from '../shared/instructions';
import type { ExportedLayer, NewName } from '../shared/messages';
import { isObject, type Answered, type components } from './api';
import { forFigma, fromBase64 } from './pictures';

type Prompts = Answered<'get', '/api/prompts', 200>;
type Renamed = components['schemas']['Answered_figma.RenameResult'];
type Edits = components['schemas']['Answered_figma.EditResult'];
type Suggested = Edits['variants'][number]['instructions'][number];

const kVariantsMax = 20;
const kInstructionsMax = 2000;

export interface Style {
  filename: string;
  name: string;
}
export interface Variant {
  theme: string;
  description: string;
  instructions: Instruction[];
}

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown, most: number): string => (typeof value === 'string' ? value.slice(0, most) : '');

export function readStyles(value: unknown): Style[] | null {
  if (!isObject<Prompts>(value) || !Array.isArray(value.prompts)) return null;
  return value.prompts.slice(0, 200).flatMap((one) => {
    if (!isObject<Prompts['prompts'][number]>(one) || typeof one.filename !== 'string') return [];
    const name = text(one.name, 100) || one.filename;
    return [{ filename: one.filename, name: one.isDefault === true && name !== 'Default' ? `${name} (default)` : name }];
  });
}

// What a component's name begins with is not for the eye: "_" and "." keep it out of the library, "Icons/" is its folder
// there. A new name brings neither.
function renamed({ name, type }: ExportedLayer, word: string): string {
  const component = type === 'COMPONENT' || type === 'COMPONENT_SET';
  const prefix = (component ? /^(.*\/\s*)?[._]?/su : /^[._]?/).exec(name)?.[0] ?? '';
  const own = word.startsWith(prefix) ? word.slice(prefix.length) : word;
  const plain = own.replace(/^[._\s]+/, '');
  return prefix + (component ? plain.replace(/\s*\/\s*/g, ' ') : plain);
}

// A new name for each layer that gets one; null where this is not a result of a rename.
export function readNames(value: unknown, layers: ExportedLayer[]): NewName[] | null {
  if (!isObject<Renamed>(value) || !Array.isArray(value.layers)) return null;
  const names = new Map<unknown, string>();
  for (const one of value.layers) {
    if (isObject<Renamed['layers'][number]>(one)) names.set(one.id, text(one.newName, 255).trim());
  }
  return layers.flatMap((layer) => {
    const { id, name } = layer;
    const word = names.get(id);
    if (!word) return [];
    const newName = renamed(layer, word);
    return newName !== name ? [{ id, oldName: name, newName }] : [];
  });
}

async function readInstruction(value: unknown): Promise<Instruction | null> {
  if (!isObject<Suggested>(value) || typeof value.layerId !== 'string') return null;
  const { layerId } = value;
  const number = (name: keyof Suggested, least: number, most: number): number | null => {
    const found = value[name];
    return typeof found === 'number' && found >= least && found <= most ? found : null;
  };
  switch (value.action) {
    case 'setText':
      return typeof value.text === 'string' ? { action: 'setText', layerId, text: text(value.text, 10_000) } : null;
    case 'setFill': {
      const fill = text(value.fill, 7);
      return /^#[0-9a-f]{6}$/i.test(fill) ? { action: 'setFill', layerId, fill } : null;
    }
    case 'setFontSize': {
      const fontSize = number('fontSize', 1, 10_000);
      return fontSize === null ? null : { action: 'setFontSize', layerId, fontSize };
    }
    case 'setCornerRadius': {
      const cornerRadius = number('cornerRadius', 0, 1e6);
      return cornerRadius === null ? null : { action: 'setCornerRadius', layerId, cornerRadius };
    }
    case 'setOpacity': {
      const opacity = number('opacity', 0, 1);
      return opacity === null ? null : { action: 'setOpacity', layerId, opacity };
    }
    case 'move': {
      const [x, y] = [number('x', -1e6, 1e6), number('y', -1e6, 1e6)];
      return x === null || y === null ? null : { action: 'move', layerId, x, y };
    }
    case 'resize': {
      const [width, height] = [number('width', 0.01, 1e6), number('height', 0.01, 1e6)];
      return width === null || height === null ? null : { action: 'resize', layerId, width, height };
    }
    case 'setVisible':
      return typeof value.visible === 'boolean' ? { action: 'setVisible', layerId, visible: value.visible } : null;
    case 'generateImage': {
      const bytes = typeof value.generatedImageBase64 === 'string' ? fromBase64(value.generatedImageBase64) : null;
      const picture = bytes && (await forFigma(bytes));
      return { action: 'generateImage', layerId, imagePrompt: text(value.imagePrompt, 1000), picture };
    }
    default:
      return null;
  }
}

// Null where this is not a result of generated edits.
export async function readVariants(value: unknown): Promise<Variant[] | null> {
  if (!isObject<Edits>(value) || !Array.isArray(value.variants)) return null;
  const variants: Variant[] = [];
  for (const one of value.variants.slice(0, kVariantsMax)) {
    if (!isObject<Edits['variants'][number]>(one)) continue;
    const instructions: Instruction[] = [];
    for (const entry of list(one.instructions).slice(0, kInstructionsMax)) {
      const instruction = await readInstruction(entry);
      if (instruction) instructions.push(instruction);
    }
    variants.push({
      theme: text(one.theme, 100) || 'Untitled',
      description: text(one.description, 1000),
      instructions,
    });
  }
  return variants;
}
