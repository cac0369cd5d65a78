// The selection's layers, and what can be said of one. Reads the document, changes nothing.
import { cut } from '../shared/cut';
import { kCountMax, kLayersMax, type Layer, type Selection } from '../shared/messages';
import { isPicture, seenFills } from './harm';
import { boxIn } from './place';

const kIdMax = 255; // the API's

export type FrameLike = FrameNode | ComponentNode | InstanceNode;

export function frameOf(nodes: readonly SceneNode[]): FrameLike | null {
  const [node] = nodes;
  if (nodes.length !== 1 || !node) return null;
  return node.type === 'FRAME' || node.type === 'COMPONENT' || node.type === 'INSTANCE' ? node : null;
}

// A variant's name is its properties ("Size=Large"), and switching variants goes by the names of the layers inside.
const isVariant = (node: SceneNode): boolean => node.type === 'COMPONENT' && node.parent?.type === 'COMPONENT_SET';

// What is inside an instance is named by its component.
function insideOf(node: SceneNode): readonly SceneNode[] {
  return 'children' in node && node.type !== 'INSTANCE' ? node.children : [];
}

export interface Selected {
  layers: SceneNode[];
  variants: number; // left out, with what is inside them
}

// The selected layers and, where `inside`, those inside them, as the layers panel shows them; at most kCountMax.
export function selectedLayers(inside: boolean): Selected {
  const found = new Map<string, SceneNode>();
  const variants = new Set<string>();
  const take = (node: SceneNode): void => {
    if (found.size >= kCountMax || node.id.length > kIdMax || found.has(node.id)) return;
    if (isVariant(node)) {
      variants.add(node.id);
      return;
    }
    found.set(node.id, node);
    if (inside) insideOf(node).forEach(take);
  };
  figma.currentPage.selection.forEach(take);
  return { layers: [...found.values()], variants: variants.size };
}

interface Visible {
  layers: [SceneNode, string | undefined][]; // each with its parent's id; at most kLayersMax
  count: number; // of all of them; counting ends at kCountMax
}

// The frame itself first, for its background; then what is visible inside it.
export function visibleLayers(frame: FrameLike): Visible {
  const layers: [SceneNode, string | undefined][] = [];
  let count = 0;
  const take = (node: SceneNode, parentId: string | undefined): void => {
    if (count >= kCountMax || !node.visible || node.id.length > kIdMax) return;
    ++count;
    if (layers.length < kLayersMax) layers.push([node, parentId]);
    if ('children' in node && node.type !== 'BOOLEAN_OPERATION') node.children.forEach((child) => take(child, node.id));
  };
  take(frame, undefined);
  return { layers, count };
}

export function selectionNow(): Selection {
  const { selection } = figma.currentPage;
  const frame = frameOf(selection);
  const all = selectedLayers(true);
  const chosen = selectedLayers(false).layers.length;
  return {
    selected: selection.length,
    inside: all.layers.length - chosen,
    variants: all.variants,
    frame: frame && { name: frame.name, layers: visibleLayers(frame).count },
  };
}

// ---- A frame's layers, described ----

const rounded = (value: number): number => Math.round(Math.min(Math.max(value, -1e6), 1e6) * 100) / 100;

export function hexOf({ color }: SolidPaint): string {
  const hex = (part: number): string =>
    Math.round(part * 255)
      .toString(16)
      .padStart(2, '0');
  return `#${hex(color.r)}${hex(color.g)}${hex(color.b)}`.toUpperCase();
}

// A picture is one whatever lies over it.
function fillOf(node: SceneNode): string | undefined {
  const fills = seenFills(node);
  if (fills.some(isPicture)) return 'image';
  const top = fills[fills.length - 1];
  if (!top) return undefined;
  return top.type === 'SOLID' ? hexOf(top) : 'gradient';
}

export function described(frame: FrameLike, node: SceneNode, parentId: string | undefined): Layer {
  const box = boxIn(frame, node);
  const layer: Layer = {
    id: node.id,
    name: cut(node.name, 1000),
    type: node.type,
    x: rounded(box.x),
    y: rounded(box.y),
    width: rounded(box.width),
    height: rounded(box.height),
  };
  const fill = fillOf(node);
  if (fill) layer.fill = fill;
  if ('opacity' in node) layer.opacity = rounded(node.opacity);
  if ('cornerRadius' in node && typeof node.cornerRadius === 'number') layer.cornerRadius = rounded(node.cornerRadius);
  if (node.type === 'TEXT') {
    layer.text = cut(node.characters, 10_000);
    if (typeof node.fontSize === 'number') layer.fontSize = rounded(node.fontSize);
  }
  if (parentId) layer.parentId = parentId;
  return layer;
}
