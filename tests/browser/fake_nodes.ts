// The nodes of the fake Figma, as strict as Figma's: a member that does not exist, a value out of range, a text whose font
// is not loaded, a node that is gone all throw. What a node offers is Figma's own by type; only what a plugin that names
// and edits layers may need is here.
import type {
  ComponentNode,
  ComponentSetNode,
  ExportSettings,
  FontName,
  FrameNode,
  GroupNode,
  InstanceNode,
  PageNode,
  Paint,
  PluginAPI,
  RectangleNode,
  SceneNode,
  SectionNode,
  SliceNode,
  TextNode,
  Transform,
  VectorNode,
} from '@figma/plugin-typings/plugin-api-standalone';
import { draw } from './fake_drawing.js';
import type { FakeFile } from './fake_file.js';

export type FakeNode =
  | FakeFrame
  | FakeComponent
  | FakeComponentSet
  | FakeInstance
  | FakeGroup
  | FakeSection
  | FakeText
  | FakeRectangle
  | FakeVector
  | FakeSlice;
export type FakeParent = FakeFrame | FakeComponent | FakeComponentSet | FakeInstance | FakeGroup | FakeSection | FakePage;
export type Values = { [member: string]: unknown };

const kBehind = Symbol('the node behind its guard');
export const behind = (node: FakeNode | FakePage): Values => (node as unknown as { [kBehind]: Values })[kBehind];
export const childrenOf = (parent: FakeParent) => behind(parent).children as FakeNode[];

const isNumber = (value: unknown, least = -Infinity, most = Infinity) =>
  typeof value === 'number' && Number.isFinite(value) && value >= least && value <= most;

function isPaint(paint: Paint) {
  if (paint.opacity !== undefined && !isNumber(paint.opacity, 0, 1)) return false;
  if (paint.type === 'IMAGE') return typeof paint.imageHash === 'string';
  if (paint.type === 'GRADIENT_LINEAR') return paint.gradientStops.length > 1;
  if (paint.type !== 'SOLID') return false;
  const { r, g, b, ...others } = paint.color;
  return [r, g, b].every((part) => isNumber(part, 0, 1)) && Object.keys(others).length === 0;
}

const kSame: Transform = [
  [1, 0, 0],
  [0, 1, 0],
];

// Turned by so many degrees about the layer's own top left corner, which stands at x, y; or flipped.
export function turnedAt(x: number, y: number, degrees: number, flip: 1 | -1 = 1): Transform {
  const [sin, cos] = [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)];
  return [
    [flip * cos, -sin, x],
    [flip * sin, cos, y],
  ];
}

const product = ([[a, b, x], [c, d, y]]: Transform, [[e, f, u], [g, h, v]]: Transform): Transform => [
  [a * e + b * g, a * f + b * h, a * u + b * v + x],
  [c * e + d * g, c * f + d * h, c * u + d * v + y],
];

export function boxOf([[a, b, x], [c, d, y]]: Transform, width: number, height: number) {
  return {
    x: x + Math.min(0, a * width) + Math.min(0, b * height),
    y: y + Math.min(0, c * width) + Math.min(0, d * height),
    width: Math.abs(a) * width + Math.abs(b) * height,
    height: Math.abs(c) * width + Math.abs(d) * height,
  };
}

const kMovers = ['x', 'y', 'relativeTransform'];

function inInstance(node: FakeNode) {
  for (let above = node.parent; above; above = above.parent) if (above.type === 'INSTANCE') return true;
  return false;
}

// What a variable or a style held before, a value of one's own ends.
function endBinding(members: Values, name: string) {
  if (name === 'fills') members.fillStyleId = '';
  if (name === 'fontSize') members.textStyleId = '';
  const { [name]: _, ...others } = (members.boundVariables ?? {}) as Values;
  if ('boundVariables' in members) members.boundVariables = others;
}

// A bound paint has its variable's colour, whatever is written beside the binding.
function asBound(paints: Paint[], before: readonly Paint[]): Paint[] {
  return paints.map((paint) => {
    if (paint.type !== 'SOLID' || !paint.boundVariables?.color) return paint;
    const id = paint.boundVariables.color.id;
    const old = before.find((one) => one.type === 'SOLID' && one.boundVariables?.color?.id === id);
    return old?.type === 'SOLID' ? { ...paint, color: old.color } : paint;
  });
}

// What may be assigned, and which values Figma takes.
const kAssignable: { [member: string]: (value: any) => boolean } = {
  name: (value) => typeof value === 'string',
  visible: (value) => typeof value === 'boolean',
  relativeTransform: (value) => Array.isArray(value) && value.flat().every((part) => isNumber(part)),
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
      if (member === 'fills' && Array.isArray(value)) return structuredClone(value); // Figma's own stay as they are, whatever is done to these
      return Array.isArray(value) ? Object.freeze([...value]) : value;
    },
    set(target, member, value) {
      const name = String(member);
      known(member);
      if (!kAssignable[name]) throw new TypeError(`no setter for property: ${name} of a ${node.type}`);
      if (!kAssignable[name](value)) throw new Error(`in set_${name}: ${JSON.stringify(value)} is not allowed`);
      if (name === 'name' && file.nameRefused) throw new Error(`in set_name: ${file.nameRefused}`);
      if (kMovers.includes(name) && inInstance(node as FakeNode)) {
        throw new Error(`in set_${name}: This property cannot be overridden in an instance`);
      }
      if (node.type === 'TEXT' && (name === 'characters' || name === 'fontSize')) file.needFontsOf(node, name);
      const { [name]: before, fillStyleId, textStyleId, boundVariables, fontName } = members;
      members[name] = name === 'fills' ? asBound(value as Paint[], before as Paint[]) : value;
      if (name === 'selection') {
        file.onSelection();
        return true;
      }
      endBinding(members, name);
      if (name === 'characters' && typeof fontName !== 'object') members.fontName = { family: 'Inter', style: 'Regular' };
      const all = { [name]: before, fillStyleId, textStyleId, boundVariables, fontName };
      const old = Object.fromEntries(Object.entries(all).filter(([member]) => member in node));
      file.changed(() => Object.assign(members, old));
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
  locked = false;
  relativeTransform: Transform = kSame;
  readonly width: number = 100;
  readonly height: number = 100;
  readonly boundVariables: FrameNode['boundVariables'] = {};
  readonly parent: FrameNode['parent'] = null;
  readonly removed: boolean = false;
  abstract readonly type: FakeNode['type'];
  protected readonly file: () => FakeFile;

  constructor(
    file: FakeFile,
    readonly id: string,
  ) {
    this.file = () => file;
  }

  protected get self() {
    return this.file().nodes.get(this.id)!;
  }

  get x() {
    return this.relativeTransform[0][2];
  }
  set x(x) {
    const [[a, b], below] = this.relativeTransform;
    this.relativeTransform = [[a, b, x], below];
  }
  get y() {
    return this.relativeTransform[1][2];
  }
  set y(y) {
    const [above, [c, d]] = this.relativeTransform;
    this.relativeTransform = [above, [c, d, y]];
  }

  // A group has no coordinates of its own.
  get absoluteTransform(): Transform {
    let all = this.relativeTransform;
    for (let above = this.parent; above && above.type !== 'PAGE'; above = above.parent) {
      if (above.type !== 'GROUP' && 'relativeTransform' in above) all = product(above.relativeTransform, all);
    }
    return all;
  }

  get absoluteBoundingBox() {
    return boxOf(this.absoluteTransform, this.width, this.height);
  }

  resize(width: number, height: number) {
    if (!isNumber(width, 0.01) || !isNumber(height, 0.01)) throw new Error(`in resize: ${width} x ${height}`);
    if (inInstance(this.self)) throw new Error('in resize: This property cannot be overridden in an instance');
    const before = { width: this.width, height: this.height };
    Object.assign(this, { width, height });
    this.file().changed(() => Object.assign(this, before));
  }

  // Figma puts a copy onto the page, at the same place.
  protected copy() {
    return this.file().copy(this.self);
  }

  readonly exportAsync = (async (settings: ExportSettings = { format: 'PNG' }) => {
    if (settings.format !== 'PNG' && settings.format !== 'JPG') throw new Error(`in exportAsync: ${settings.format}`);
    if (!this.visible) throw new Error('in exportAsync: Failed to export node. It may not have any visible layers.');
    const { type, value } = settings.constraint ?? { type: 'SCALE', value: 1 };
    const scale = type === 'SCALE' ? value : value / (type === 'WIDTH' ? this.width : this.height);
    await Promise.all(this.file().decoding.values());
    const canvas = draw(this.self, scale, this.file().images);
    const file = await canvas.convertToBlob({ type: settings.format === 'PNG' ? 'image/png' : 'image/jpeg' });
    return new Uint8Array(await file.arrayBuffer());
  }) as FrameNode['exportAsync'];
}

abstract class Painted extends Layer {
  opacity = 1;
  fills: readonly Paint[] | PluginAPI['mixed'] = [];
  fillStyleId: string | PluginAPI['mixed'] = '';
  strokes: readonly Paint[] = [];
  strokeWeight: number | PluginAPI['mixed'] = 1;
}

export class FakeRectangle extends Painted implements Pick<RectangleNode, keyof FakeRectangle> {
  readonly type = 'RECTANGLE';
  cornerRadius: number | PluginAPI['mixed'] = 0;
  clone() {
    return this.copy() as unknown as RectangleNode;
  }
}

// Drawn as the triangle it is.
export class FakeVector extends Painted implements Pick<VectorNode, keyof FakeVector> {
  readonly type = 'VECTOR';
  cornerRadius: number | PluginAPI['mixed'] = 0;
  clone() {
    return this.copy() as unknown as VectorNode;
  }
}

export class FakeSlice extends Layer implements Pick<SliceNode, keyof FakeSlice> {
  readonly type = 'SLICE';
  clone() {
    return this.copy() as unknown as SliceNode;
  }
}

const kinds = (node: SceneNode): SceneNode[] =>
  'children' in node ? [node, ...node.children.flatMap(kinds)] : [node];

abstract class Box extends Painted {
  cornerRadius: number | PluginAPI['mixed'] = 0;
  clipsContent = true;
  layoutMode: FrameNode['layoutMode'] = 'NONE';
  layoutSizingHorizontal: FrameNode['layoutSizingHorizontal'] = 'FIXED';
  layoutSizingVertical: FrameNode['layoutSizingVertical'] = 'FIXED';
  layoutPositioning: FrameNode['layoutPositioning'] = 'AUTO';
  readonly children: readonly SceneNode[] = [];
  findOne(fits: (node: SceneNode) => boolean) {
    return this.children.flatMap(kinds).find(fits) ?? null;
  }
}

export class FakeFrame extends Box implements Pick<FrameNode, keyof FakeFrame> {
  readonly type = 'FRAME';
  clone() {
    return this.copy() as unknown as FrameNode;
  }
}

export class FakeComponentSet extends Box implements Pick<ComponentSetNode, keyof FakeComponentSet> {
  readonly type = 'COMPONENT_SET';
  clone() {
    return this.copy() as unknown as ComponentSetNode;
  }
}

// A clone is a second main component.
export class FakeComponent extends Box implements Pick<ComponentNode, keyof FakeComponent> {
  readonly type = 'COMPONENT';
  clone() {
    return this.copy() as unknown as ComponentNode;
  }
  createInstance() {
    return this.file().copy(this.self, undefined, FakeInstance) as unknown as InstanceNode;
  }
}

export class FakeInstance extends Box implements Pick<InstanceNode, keyof FakeInstance> {
  readonly type = 'INSTANCE';
  clone() {
    return this.copy() as unknown as InstanceNode;
  }
  detachInstance() {
    const frame = this.file().copy(this.self, this.parent as unknown as FakeParent, FakeFrame);
    this.file().detach(this.self);
    return frame as unknown as FrameNode;
  }
}

export class FakeGroup extends Layer implements Pick<GroupNode, keyof FakeGroup> {
  readonly type = 'GROUP';
  opacity = 1;
  readonly children: readonly SceneNode[] = [];
  clone() {
    return this.copy() as unknown as GroupNode;
  }
}

export class FakeSection extends Layer implements Pick<SectionNode, keyof FakeSection> {
  readonly type = 'SECTION';
  fills: readonly Paint[] = [];
  readonly children: readonly SceneNode[] = [];
  clone() {
    return this.copy() as unknown as SectionNode;
  }
}

const kMissing = 'Missing Sans';

export class FakeText extends Painted implements Pick<TextNode, keyof FakeText> {
  readonly type = 'TEXT';
  characters = '';
  fontSize: number | PluginAPI['mixed'] = 16;
  fontName: FontName | PluginAPI['mixed'] = { family: 'Inter', style: 'Regular' };
  textStyleId: string | PluginAPI['mixed'] = '';
  textAlignHorizontal: TextNode['textAlignHorizontal'] = 'LEFT';
  layoutSizingHorizontal: FrameNode['layoutSizingHorizontal'] = 'FIXED';
  layoutSizingVertical: FrameNode['layoutSizingVertical'] = 'FIXED';
  layoutPositioning: FrameNode['layoutPositioning'] = 'AUTO';
  get hasMissingFont() {
    return typeof this.fontName === 'object' && this.fontName.family === kMissing;
  }
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
