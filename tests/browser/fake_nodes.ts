// The nodes of the fake Figma, as strict as Figma's: a member that does not exist, a value out of range, a text whose font
// is not loaded, a node that is gone all throw. What a node offers is Figma's own by type; only what a plugin that names
// and edits layers may need is here.
import type {
  ExportSettings,
  FontName,
  FrameNode,
  PageNode,
  Paint,
  PluginAPI,
  RectangleNode,
  SceneNode,
  TextNode,
  Transform,
} from '@figma/plugin-typings/plugin-api-standalone';
import { draw } from './fake_drawing.js';
import type { FakeFile } from './fake_file.js';

export type FakeNode = FakeFrame | FakeText | FakeRectangle;
export type FakeParent = FakeFrame | FakePage;
export type Values = { [member: string]: unknown };

const kBehind = Symbol('the node behind its guard');
export const behind = (node: FakeNode | FakePage): Values => (node as unknown as { [kBehind]: Values })[kBehind];
export const childrenOf = (parent: FakeParent) => behind(parent).children as FakeNode[];

const isNumber = (value: unknown, least = -Infinity, most = Infinity) =>
  typeof value === 'number' && Number.isFinite(value) && value >= least && value <= most;

function isPaint(paint: Paint) {
  if (paint.opacity !== undefined && !isNumber(paint.opacity, 0, 1)) return false;
  if (paint.type === 'IMAGE') return typeof paint.imageHash === 'string';
  if (paint.type !== 'SOLID') return false;
  const { r, g, b, ...others } = paint.color;
  return [r, g, b].every((part) => isNumber(part, 0, 1)) && Object.keys(others).length === 0;
}

// What may be assigned, and which values Figma takes.
const kAssignable: { [member: string]: (value: any) => boolean } = {
  name: (value) => typeof value === 'string',
  visible: (value) => typeof value === 'boolean',
  x: (value) => isNumber(value),
  y: (value) => isNumber(value),
  opacity: (value) => isNumber(value, 0, 1),
  cornerRadius: (value) => isNumber(value, 0),
  fills: (value) => Array.isArray(value) && value.every(isPaint),
  characters: (value) => typeof value === 'string',
  fontSize: (value) => isNumber(value, 1),
  selection: (value) => Array.isArray(value) && value.every((node) => behind(node) && !node.removed),
};

// The node as a plugin gets it.
export function guarded<T extends FakeNode | FakePage>(node: T, file: FakeFile): T {
  const members = node as unknown as Values;
  const known = (member: string | symbol) => {
    if (!(member in node)) throw new Error(`in get: a ${node.type} has no ${String(member)}`);
    if (node.removed && member !== 'removed' && member !== 'id') {
      throw new Error(`in get_${String(member)}: The node with id "${node.id}" does not exist`);
    }
  };
  return new Proxy(node, {
    get(target, member) {
      if (member === kBehind) return target;
      // Asked by the language itself, for await and the like.
      if (typeof member === 'symbol' || member === 'then' || member === 'toJSON') return undefined;
      known(member);
      const value = members[member];
      if (typeof value === 'function') return value.bind(target);
      if (member === 'fills') return structuredClone(value); // Figma's own stay as they are, whatever is done to these
      return Array.isArray(value) ? Object.freeze([...value]) : value;
    },
    set(target, member, value) {
      const name = String(member);
      known(member);
      if (!kAssignable[name]) throw new TypeError(`no setter for property: ${name} of a ${node.type}`);
      if (!kAssignable[name](value)) throw new Error(`in set_${name}: ${JSON.stringify(value)} is not allowed`);
      if (node.type === 'TEXT' && (name === 'characters' || name === 'fontSize')) file.needFontsOf(node, name);
      const before = members[name];
      members[name] = value;
      if (name === 'selection') file.onSelection();
      else file.changed(() => (members[name] = before));
      return true;
    },
  });
}

export class FakePage implements Pick<PageNode, keyof FakePage> {
  readonly type = 'PAGE';
  readonly id = '0:1';
  name = 'Page 1';
  readonly parent = null;
  readonly removed: boolean = false;
  readonly children: readonly SceneNode[] = [];
  selection: readonly SceneNode[] = [];
  readonly #file: FakeFile;

  constructor(file: FakeFile) {
    this.#file = file;
  }

  appendChild(child: SceneNode) {
    const node = this.#file.nodes.get(child.id)!;
    this.#file.detach(node);
    this.#file.attach(node, this.#file.page);
  }
}

abstract class Layer {
  name = '';
  visible = true;
  x = 0;
  y = 0;
  readonly width: number = 100;
  readonly height: number = 100;
  opacity = 1;
  fills: readonly Paint[] = [];
  readonly parent: FrameNode['parent'] = null;
  readonly removed: boolean = false;
  abstract readonly type: FakeNode['type'];
  readonly #file: FakeFile;

  constructor(
    file: FakeFile,
    readonly id: string,
  ) {
    this.#file = file;
  }

  private get self() {
    return this.#file.nodes.get(this.id)!;
  }

  get absoluteTransform(): Transform {
    let [x, y] = [this.x, this.y];
    for (let above = this.parent; above && above.type === 'FRAME'; above = above.parent) {
      x += above.x;
      y += above.y;
    }
    return [
      [1, 0, x],
      [0, 1, y],
    ];
  }

  get absoluteBoundingBox() {
    const [[, , x], [, , y]] = this.absoluteTransform;
    return { x, y, width: this.width, height: this.height };
  }

  resize(width: number, height: number) {
    if (!isNumber(width, 0.01) || !isNumber(height, 0.01)) throw new Error(`in resize: ${width} x ${height}`);
    const before = { width: this.width, height: this.height };
    Object.assign(this, { width, height });
    this.#file.changed(() => Object.assign(this, before));
  }

  // Figma puts a copy onto the page, at the same place.
  protected copy() {
    return this.#file.copy(this.self);
  }

  readonly exportAsync = (async (settings: ExportSettings = { format: 'PNG' }) => {
    if (settings.format !== 'PNG' && settings.format !== 'JPG') throw new Error(`in exportAsync: ${settings.format}`);
    if (!this.visible) throw new Error('in exportAsync: Failed to export node. It may not have any visible layers.');
    const { type, value } = settings.constraint ?? { type: 'SCALE', value: 1 };
    const scale = type === 'SCALE' ? value : value / (type === 'WIDTH' ? this.width : this.height);
    await Promise.all(this.#file.decoding.values());
    const canvas = draw(this.self, scale, this.#file.images);
    const file = await canvas.convertToBlob({ type: settings.format === 'PNG' ? 'image/png' : 'image/jpeg' });
    return new Uint8Array(await file.arrayBuffer());
  }) as FrameNode['exportAsync'];
}

export class FakeRectangle extends Layer implements Pick<RectangleNode, keyof FakeRectangle> {
  readonly type = 'RECTANGLE';
  cornerRadius: number | PluginAPI['mixed'] = 0;
  clone() {
    return this.copy() as unknown as RectangleNode;
  }
}

export class FakeFrame extends Layer implements Pick<FrameNode, keyof FakeFrame> {
  readonly type = 'FRAME';
  cornerRadius: number | PluginAPI['mixed'] = 0;
  readonly children: readonly SceneNode[] = [];
  clone() {
    return this.copy() as unknown as FrameNode;
  }
}

export class FakeText extends Layer implements Pick<TextNode, keyof FakeText> {
  readonly type = 'TEXT';
  characters = '';
  fontSize: number | PluginAPI['mixed'] = 16;
  fontName: FontName | PluginAPI['mixed'] = { family: 'Inter', style: 'Regular' };
  clone() {
    return this.copy() as unknown as TextNode;
  }
  getRangeAllFontNames(): FontName[] {
    const { fontName } = this;
    return typeof fontName === 'object'
      ? [fontName]
      : [
          { family: 'Inter', style: 'Regular' },
          { family: 'Inter', style: 'Bold' },
        ];
  }
}
