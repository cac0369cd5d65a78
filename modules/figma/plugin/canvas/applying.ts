// Changes of the document, each as one step of Undo. What can't be done to a layer is left out and counted.
import { inOrder, type Instruction } from '../shared/instructions';
import { Sentence, type Edits, type NewName, type Renamed } from '../shared/messages';
import { harmOf, isPicture, isSeen } from './harm';
import { moveIn, turned } from './place';
import { frameOf, type FrameLike } from './tree';

const kGap = 80; // pixels between a frame and its copy

// A layer that is gone, or got another name meanwhile, is left alone.
export async function applyNames(names: NewName[]): Promise<Renamed> {
  const found = await Promise.all(names.map((name) => figma.getNodeByIdAsync(name.id)));
  const told: Renamed = { renamed: 0, gone: 0, changed: 0, refused: 0, reason: '' };
  figma.commitUndo();
  names.forEach(({ oldName, newName }, i) => {
    const node = found[i];
    if (!node || node.removed) {
      ++told.gone;
    } else if (node.name !== oldName) {
      ++told.changed;
    } else {
      try {
        node.name = newName;
        ++told.renamed;
      } catch (error) {
        ++told.refused;
        told.reason ||= error instanceof Error ? error.message : String(error);
      }
    }
  });
  figma.commitUndo();
  return told;
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
  const copy = copied(frame);
  page.appendChild(copy);
  copy.relativeTransform = frame.absoluteTransform; // the page's coordinates
  const now = copy.absoluteBoundingBox ?? box;
  copy.x += x - now.x;
  copy.y += box.y - now.y;
  copy.name = `${frame.name}: ${title}`;
  return copy;
}

// A second main component would stand beside the first in the library: a copy of one is a frame.
function copied(frame: FrameLike): FrameNode | InstanceNode {
  if (frame.type === 'COMPONENT') return frame.createInstance().detachInstance();
  if ('findOne' in frame && frame.type === 'FRAME') {
    const main = frame.findOne((node) => node.type === 'COMPONENT' || node.type === 'COMPONENT_SET');
    if (main)
      throw new Sentence(
        `“${main.name}” inside this frame is a main component, and a copy would make a second one. Apply to the frame itself, or select the component.`,
      );
  }
  return frame.clone();
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

function colour(hex: string): RGB {
  const part = (at: number): number => parseInt(hex.slice(at, at + 2), 16) / 255;
  return { r: part(1), g: part(3), b: part(5) };
}

// The topmost paint that is seen gets the colour and keeps all else that is its own; a variable would set the colour
// back.
function recoloured(fills: readonly Paint[], color: RGB): Paint[] {
  const at = fills.reduce((top, paint, i) => (isSeen(paint) ? i : top), -1);
  const paint = fills[at];
  if (paint?.type !== 'SOLID') return [...fills, { type: 'SOLID', color }];
  const { boundVariables, ...own } = paint;
  return fills.map((one, i) => (i === at ? { ...own, color } : one));
}

// In place of the picture that is seen, under what lies over it; else over the colour.
function pictured(fills: readonly Paint[], imageHash: string): Paint[] {
  const at = fills.reduce((top, paint, i) => (isSeen(paint) && isPicture(paint) ? i : top), -1);
  const { opacity = 1, blendMode = 'NORMAL' } = fills[at] ?? {};
  const paint: ImagePaint = { type: 'IMAGE', imageHash, scaleMode: 'FILL', opacity, blendMode };
  return at < 0 ? [...fills, paint] : fills.map((one, i) => (i === at ? paint : one));
}

// False: it would harm the layer (harm.ts). Figma throws where it may not be changed.
function apply(one: Instruction, node: SceneNode, frame: FrameLike): boolean {
  const harm = harmOf(one.action, node, frame);
  if (harm && 'kept' in harm) return false;
  switch (one.action) {
    case 'setText':
      (node as TextNode).characters = one.text;
      return true;
    case 'setFontSize':
      (node as TextNode).fontSize = one.fontSize;
      return true;
    case 'setFill': {
      const filled = node as MinimalFillsMixin;
      filled.fills = recoloured(filled.fills as readonly Paint[], colour(one.fill));
      return true;
    }
    case 'generateImage': {
      if (!one.picture) return false;
      const filled = node as MinimalFillsMixin;
      filled.fills = pictured(filled.fills as readonly Paint[], figma.createImage(one.picture).hash);
      return true;
    }
    case 'setCornerRadius':
      (node as CornerMixin).cornerRadius = one.cornerRadius;
      return true;
    case 'setOpacity':
      (node as SceneNode & BlendMixin).opacity = one.opacity;
      return true;
    case 'setVisible':
      node.visible = one.visible;
      return true;
    case 'move':
      return moveIn(frame, node, one.x, one.y);
    case 'resize': {
      const lying = turned(frame, node) === 'lying';
      (node as FrameNode).resize(lying ? one.height : one.width, lying ? one.width : one.height);
      return true;
    }
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
  for (const instruction of inOrder(edits.instructions, [...nodes.keys()])) {
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

// Selects the layer and brings it into view, on whichever page it is.
export async function showLayer({ id }: { id: string }): Promise<null> {
  const node = await figma.getNodeByIdAsync(id);
  if (!node || node.removed) throw new Sentence('This layer is gone.');
  const page = pageOf(node);
  if (page !== figma.currentPage) await figma.setCurrentPageAsync(page);
  figma.currentPage.selection = [node as SceneNode];
  figma.viewport.scrollAndZoomIntoView([node as SceneNode]);
  return null;
}
