// The page a test opens: Figma's canvas with a file on it, and the plugin's window when it runs. Tests drive it through
// `host`, as a designer would through Figma's menus.
import { draw } from './fake_drawing.js';
import { FakeFigma, type Theme } from './fake_figma.js';
import { FakeFile } from './fake_file.js';
import type { FakeNode } from './fake_nodes.js';
import * as samples from './sample_files.js';

const text = async (path: string) => (await fetch(path)).text();
const stored = new Map<string, unknown>();
let file = new FakeFile();
let plugin: FakeFigma | undefined;

const layers = () => [...file.nodes.values()];

const host = {
  async open(sample: keyof typeof samples) {
    file = new FakeFile();
    await samples[sample](file);
    file.forgetUndo();
    await host.redraw();
  },

  async run(theme: Theme) {
    document.body.className = theme;
    const manifest = JSON.parse(await text('/plugin/manifest.json'));
    plugin = new FakeFigma(file, stored, manifest, await text(`/plugin/${manifest.ui}`), theme);
    plugin.run(await text(`/plugin/${manifest.main}`));
  },

  permissions: () => ({ used: [...plugin!.permissionsUsed], asked: plugin!.manifest.permissions ?? [] }),

  close: () => plugin!.closePlugin(),
  isClosed: () => plugin!.closed,

  undo() {
    file.undo();
    return host.redraw();
  },
  undoSteps: () => file.undoSteps,

  select(names: string[]) {
    file.page.selection = layers().filter((node) => names.includes(node.name)) as unknown as typeof file.page.selection;
  },
  // Every layer with all that can be seen of it: files that are equal look equal.
  state: () =>
    layers().map((node) => ({
      ...{ id: node.id, type: node.type, name: node.name, visible: node.visible },
      ...('opacity' in node && { opacity: node.opacity }),
      ...('fills' in node && { fills: typeof node.fills === 'object' ? node.fills : 'mixed' }),
      ...{ box: node.absoluteBoundingBox, parent: node.parent?.id },
      ...('fillStyleId' in node && { style: String(node.fillStyleId) }),
      ...(node.type === 'TEXT' && { characters: node.characters, fontSize: String(node.fontSize) }),
      ...('cornerRadius' in node && { radius: String(node.cornerRadius) }),
    })),
  // Where each layer stands in what holds it, and its own size.
  placed: () =>
    layers().map(({ name, relativeTransform, width, height }) => ({ name, transform: relativeTransform, size: [width, height] })),
  inView: () => plugin!.inView,
  remove(name: string) {
    for (const node of layers()) if (node.name === name) file.detach(node);
  },
  rename(from: string, to: string) {
    for (const node of layers()) if (node.name === from) node.name = to;
  },
  refuseNames(reason: string) {
    file.nameRefused = reason;
  },

  async redraw() {
    await Promise.all(file.decoding.values());
    const canvas = document.querySelector('canvas')!;
    const pen = canvas.getContext('2d')!;
    Object.assign(canvas, { width: innerWidth, height: innerHeight });
    const nodes = file.page.children as unknown as FakeNode[];
    const boxes = nodes.map((node) => node.absoluteBoundingBox);
    const right = Math.max(1, ...boxes.map(({ x, width }) => x + width));
    const bottom = Math.max(1, ...boxes.map(({ y, height }) => y + height));
    const scale = Math.min(1, (innerWidth - 480) / right, (innerHeight - 48) / bottom);
    nodes.forEach((node, i) => {
      const { x, y } = boxes[i];
      pen.drawImage(draw(node, scale, file.images), 24 + x * scale, 24 + y * scale);
    });
  },
};

Object.assign(globalThis, { host });
