// Changes of the document, each as one step of Undo. What can't be done to a layer is left out and counted.
import type { Instruction } from '../shared/instructions';
import { Sentence, type Edits, type NewName } from '../shared/messages';
import { frameOf, placeIn, type FrameLike } from './tree';

const kGap = 80; // pixels between a frame and its copy

// A layer that is gone, or got another name meanwhile, is left alone.
export async function applyNames(names: NewName[]): Promise<{ renamed: number; left: number }> {
  const found = await Promise.all(names.map((name) => figma.getNodeByIdAsync(name.id)));
  let renamed = 0;
  figma.commitUndo();
  names.forEach(({ oldName, newName }, i) => {
    const node = found[i];
    if (!node || node.removed || node.name !== oldName) return;
    try {
      node.name = newName;
      ++renamed;
    } catch {
      // locked by a library, or somebody else's just now
    }
  });
  figma.commitUndo();
  return { renamed, left: names.length - renamed };
}

// ---- Edits ----

// Beside the frame, to the right of whatever stands there already.
function copyBeside(frame: FrameLike, title: string): FrameLike {
  const page = pageOf(frame);
  const box = frame.absoluteBoundingBox ?? { x: frame.x, y: frame.y, width: frame.width, height: frame.height };
  const others = page.children.map((node) => node.absoluteBoundingBox).filter((other): other is Rect => other !== null);
  let x = box.x + box.width + kGap;
  for (let moved = true; moved;) {
    const hit = others.find(
      (other) =>
        x < other.x + other.width &&
        other.x < x + box.width &&
        box.y < other.y + other.height &&
        other.y < box.y + box.height,
    );
    moved = hit !== undefined;
    if (hit) x = hit.x + hit.width + kGap;
  }
  const copy = frame.clone();
  page.appendChild(copy);
  copy.x = x;
  copy.y = box.y;
  copy.name = `${frame.name}: ${title}`;
  return copy;
}

function pageOf(node: BaseNode): PageNode {
  let above: BaseNode | null = node;
  while (above && above.type !== 'PAGE') above = above.parent;
  return above ?? figma.currentPage;
}

// The layers of `target`, which is `frame` or its copy, by the ids they have in `frame`.
function byOldId(frame: SceneNode, target: SceneNode, into = new Map<string, SceneNode>()): Map<string, SceneNode> {
  into.set(frame.id, target);
  if ('children' in frame && 'children' in target) {
    frame.children.forEach((child, i) => {
      const twin = target.children[i];
      if (twin) byOldId(child, twin, into);
    });
  }
  return into;
}

// Text can't be changed before its fonts are there; one that is missing makes its instructions fail.
async function loadFonts(nodes: Map<string, SceneNode>, instructions: Instruction[]): Promise<void> {
  const fonts = new Map<string, FontName>();
  for (const { layerId } of instructions) {
    const node = nodes.get(layerId);
    if (node?.type !== 'TEXT') continue;
    const used = node.fontName === figma.mixed ? node.getRangeAllFontNames(0, node.characters.length) : [node.fontName];
    for (const font of used) fonts.set(JSON.stringify(font), font);
  }
  await Promise.all([...fonts.values()].map((font) => figma.loadFontAsync(font).catch(() => undefined)));
}

function colour(hex: string): SolidPaint {
  const part = (at: number): number => parseInt(hex.slice(at, at + 2), 16) / 255;
  return { type: 'SOLID', color: { r: part(1), g: part(3), b: part(5) } };
}

function placedByLayout(node: SceneNode): boolean {
  const { parent } = node;
  if (!parent || !('layoutMode' in parent) || parent.layoutMode === 'NONE') return false;
  return !('layoutPositioning' in node && node.layoutPositioning === 'ABSOLUTE');
}

// False: this layer has no such property. Figma throws where it may not be changed.
function apply(one: Instruction, node: SceneNode, frame: SceneNode): boolean {
  switch (one.action) {
    case 'setText':
      if (node.type !== 'TEXT') return false;
      node.characters = one.text;
      return true;
    case 'setFontSize':
      if (node.type !== 'TEXT') return false;
      node.fontSize = one.fontSize;
      return true;
    case 'setFill':
      if (!('fills' in node)) return false;
      node.fills = [colour(one.fill)];
      return true;
    case 'generateImage':
      if (!('fills' in node) || !one.picture) return false;
      node.fills = [{ type: 'IMAGE', imageHash: figma.createImage(one.picture).hash, scaleMode: 'FILL' }];
      return true;
    case 'setCornerRadius':
      if (!('cornerRadius' in node)) return false;
      (node as CornerMixin).cornerRadius = one.cornerRadius;
      return true;
    case 'setOpacity':
      if (!('opacity' in node)) return false;
      node.opacity = one.opacity;
      return true;
    case 'setVisible':
      if (node === frame) return false;
      node.visible = one.visible;
      return true;
    case 'move': {
      if (node === frame || placedByLayout(node)) return false;
      const now = placeIn(frame, node);
      node.x += one.x - now.x;
      node.y += one.y - now.y;
      return true;
    }
    case 'resize':
      if (!('resize' in node)) return false;
      node.resize(one.width, one.height);
      return true;
  }
}

export async function applyEdits(edits: Edits): Promise<{ applied: number; skipped: number }> {
  const found = await figma.getNodeByIdAsync(edits.frameId);
  const frame = found && !found.removed ? frameOf([found as SceneNode]) : null;
  if (!frame) throw new Sentence('The frame is gone. Select a frame and generate edits anew.');
  await loadFonts(byOldId(frame, frame), edits.instructions);
  figma.commitUndo();
  const target = edits.toCopy ? copyBeside(frame, edits.title) : frame;
  const nodes = byOldId(frame, target);
  let applied = 0;
  for (const instruction of edits.instructions) {
    const node = nodes.get(instruction.layerId);
    try {
      if (node && apply(instruction, node, target)) ++applied;
    } catch {
      // counted as skipped
    }
  }
  if (edits.toCopy && pageOf(target) === figma.currentPage) {
    figma.currentPage.selection = [target];
    figma.viewport.scrollAndZoomIntoView([frame, target]);
  }
  figma.commitUndo();
  return { applied, skipped: edits.instructions.length - applied };
}
