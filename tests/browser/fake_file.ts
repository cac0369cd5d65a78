// A Figma file: its nodes, its pictures, its fonts and what undo would take back.
import type { ImagePaint, Paint, PluginAPI, SceneNode } from '@figma/plugin-typings/plugin-api-standalone';
import { behind, childrenOf, FakePage, guarded } from './fake_nodes.js';
import type { FakeNode, FakeParent, FakeText, Values } from './fake_nodes.js';

export const mixed = Symbol('figma.mixed') as unknown as PluginAPI['mixed'];

const all = (node: FakeNode): FakeNode[] =>
  'children' in node ? [node, ...(node.children as unknown as FakeNode[]).flatMap(all)] : [node];

export class FakeFile {
  readonly nodes = new Map<string, FakeNode>();
  readonly images = new Map<string, ImageBitmap>();
  readonly decoding = new Map<string, Promise<unknown>>();
  readonly loadedFonts = new Set<string>();
  readonly page: FakePage = guarded(new FakePage(this), this);
  onSelection = () => {};
  nameRefused = ''; // why Figma takes no name now
  #ids = 0;
  #open: (() => void)[] = [];
  #steps: (() => void)[][] = [];

  add<T extends FakeNode>(
    Type: new (file: FakeFile, id: string) => T,
    values: Values,
    parent: FakeParent = this.page,
  ): T {
    const node = guarded(new Type(this, `1:${++this.#ids}`), this);
    Object.assign(behind(node), values);
    this.attach(node, parent);
    return node;
  }

  attach(node: FakeNode, parent: FakeParent, index = parent.children.length) {
    childrenOf(parent).splice(index, 0, node);
    Object.assign(behind(node), { parent, removed: false });
    for (const one of all(node)) this.nodes.set(one.id, one);
    this.changed(() => this.detach(node));
  }

  detach(node: FakeNode) {
    const parent = node.parent as unknown as FakeParent;
    const index = parent.children.indexOf(node as unknown as SceneNode);
    childrenOf(parent).splice(index, 1);
    for (const one of all(node)) this.nodes.delete(one.id);
    Object.assign(behind(node), { parent: null, removed: true });
    if (this.page.selection.includes(node as unknown as SceneNode)) {
      this.page.selection = this.page.selection.filter((one) => one.id !== node.id);
    }
    this.changed(() => this.attach(node, parent, index));
  }

  // A picture by its hash at once, as Figma has it, and its pixels a moment later.
  addImage(bytes: Uint8Array): string {
    const hash = bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, bytes.length).toString(16);
    const keep = async () => this.images.set(hash, await createImageBitmap(new Blob([bytes as BlobPart])));
    if (!this.decoding.has(hash)) this.decoding.set(hash, keep());
    return hash;
  }

  // As another kind where `Type` says so: an instance of a component, the frame of a detached instance.
  copy<T extends FakeNode = FakeNode>(
    node: FakeNode,
    parent: FakeParent = this.page,
    Type = behind(node).constructor as new (file: FakeFile, id: string) => T,
  ): T {
    const { id, parent: _, children, removed, exportAsync, file, type, ...values } = behind(node);
    const copy = this.add(Type, values, parent);
    for (const child of (children as FakeNode[] | undefined) ?? []) this.copy(child, copy as unknown as FakeParent);
    return copy;
  }

  needFontsOf(text: FakeText, member: string) {
    for (const { family, style } of text.getRangeAllFontNames()) {
      if (this.loadedFonts.has(`${family} ${style}`)) continue;
      throw new Error(`in set_${member}: Cannot write to node with unloaded font "${family} ${style}".`);
    }
  }

  changed(takeBack: () => void) {
    this.#open.push(takeBack);
  }

  // What came since the last call is one step of undo.
  commitUndo() {
    if (this.#open.length) this.#steps.push(this.#open);
    this.#open = [];
  }

  // The user's Ctrl-Z.
  undo() {
    this.commitUndo();
    for (const takeBack of (this.#steps.pop() ?? []).reverse()) takeBack();
    this.#open = [];
  }

  forgetUndo() {
    this.#open = [];
    this.#steps = [];
  }

  get undoSteps() {
    return this.#steps.length + (this.#open.length ? 1 : 0);
  }
}

export const solid = (hex: string): Paint => {
  const part = (at: number) => parseInt(hex.slice(at, at + 2), 16) / 255;
  return { type: 'SOLID', color: { r: part(1), g: part(3), b: part(5) } };
};

export const picture = (imageHash: string): ImagePaint => ({ type: 'IMAGE', scaleMode: 'FILL', imageHash });
