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
      ...{ id: node.id, name: node.name, visible: node.visible, opacity: node.opacity, fills: node.fills },
      ...{ box: node.absoluteBoundingBox, parent: node.parent?.id },
      ...(node.type === 'TEXT'
        ? { characters: node.characters, fontSize: String(node.fontSize) }
        : { radius: node.cornerRadius }),
    })),

  async redraw() {
    await Promise.all(file.decoding.values());
    const canvas = document.querySelector('canvas')!;
    const pen = canvas.getContext('2d')!;
    Object.assign(canvas, { width: innerWidth, height: innerHeight });
    const nodes = file.page.children as unknown as FakeNode[];
    const right = Math.max(1, ...nodes.map((node) => node.x + node.width));
    const bottom = Math.max(1, ...nodes.map((node) => node.y + node.height));
    const scale = Math.min(1, (innerWidth - 480) / right, (innerHeight - 48) / bottom);
    for (const node of nodes) pen.drawImage(draw(node, scale, file.images), 24 + node.x * scale, 24 + node.y * scale);
  },
};

Object.assign(globalThis, { host });
