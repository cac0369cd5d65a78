// The selection's layers, and what can be said of one. Reads the document, changes nothing.
import { cut } from '../shared/cut';
import { kLayersMax, type Layer, type Selection } from '../shared/messages';

const kCountMax = 2000; // a page may hold a hundred thousand; nobody needs their exact number
const kIdMax = 255; // the API's

export type FrameLike = FrameNode | ComponentNode | InstanceNode;

export function frameOf(nodes: readonly SceneNode[]): FrameLike | null {
  const [node] = nodes;
  if (nodes.length !== 1 || !node) return null;
  return node.type === 'FRAME' || node.type === 'COMPONENT' || node.type === 'INSTANCE' ? node : null;
}

// What is inside an instance is named by its component.
function insideOf(node: SceneNode): readonly SceneNode[] {
  return 'children' in node && node.type !== 'INSTANCE' ? node.children : [];
}

// The selected layers and, where `inside`, those inside them, as the layers panel shows them; at most kCountMax.
export function selectedLayers(inside: boolean): SceneNode[] {
  const found = new Map<string, SceneNode>();
  const take = (node: SceneNode): void => {
    if (found.size >= kCountMax || node.id.length > kIdMax || found.has(node.id)) return;
    found.set(node.id, node);
    if (inside) insideOf(node).forEach(take);
  };
  figma.currentPage.selection.forEach(take);
  return [...found.values()];
}

// The frame itself first, for its background; then what is visible inside it, at most kLayersMax in all. Each with its
// parent's id.
function visibleLayers(frame: FrameLike): [SceneNode, string | undefined][] {
  const found: [SceneNode, string | undefined][] = [];
  const take = (node: SceneNode, parentId: string | undefined): void => {
    if (found.length >= kLayersMax || !node.visible || node.id.length > kIdMax) return;
    found.push([node, parentId]);
    if ('children' in node && node.type !== 'BOOLEAN_OPERATION') node.children.forEach((child) => take(child, node.id));
  };
  take(frame, undefined);
  return found;
}

export function selectionNow(): Selection {
  const frame = frameOf(figma.currentPage.selection);
  return {
    selected: figma.currentPage.selection.length,
    withInside: selectedLayers(true).length,
    frame: frame && { name: frame.name, layers: visibleLayers(frame).length },
  };
}

// ---- A frame's layers, described ----

const rounded = (value: number): number => Math.round(Math.min(Math.max(value, -1e6), 1e6) * 100) / 100;

function fillOf(node: SceneNode): string | undefined {
  if (!('fills' in node) || node.fills === figma.mixed) return undefined;
  const paint = node.fills.find((one): one is SolidPaint => one.type === 'SOLID' && one.visible !== false);
  if (!paint) return undefined;
  const hex = (part: number): string =>
    Math.round(part * 255)
      .toString(16)
      .padStart(2, '0');
  return `#${hex(paint.color.r)}${hex(paint.color.g)}${hex(paint.color.b)}`.toUpperCase();
}

// Where the layer stands, from the frame's top left corner.
export function placeIn(frame: SceneNode, node: SceneNode): { x: number; y: number } {
  const origin = frame.absoluteTransform;
  const own = node.absoluteTransform;
  return { x: own[0][2] - origin[0][2], y: own[1][2] - origin[1][2] };
}

function described(frame: FrameLike, node: SceneNode, parentId: string | undefined): Layer {
  const place = placeIn(frame, node);
  const layer: Layer = {
    id: node.id,
    name: cut(node.name, 1000),
    type: node.type,
    x: rounded(place.x),
    y: rounded(place.y),
    width: rounded(node.width),
    height: rounded(node.height),
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

export const layersOf = (frame: FrameLike): Layer[] =>
  visibleLayers(frame).map(([node, parentId]) => described(frame, node, parentId));
