// What a change would do to a layer beside what it says: nothing, end something the designer made (said before it is
// applied), or harm, and then it is not made. Asked when a frame is read and again when edits are applied.
import type { Action } from '../shared/instructions';
import type { Harm } from '../shared/messages';
import { turned } from './place';
import type { FrameLike } from './tree';

const kBoundFields: { [K in Action]?: string[] } = {
  setText: ['characters'],
  setFontSize: ['fontSize'],
  setCornerRadius: ['cornerRadius', 'topLeftRadius', 'topRightRadius', 'bottomLeftRadius', 'bottomRightRadius'],
  setOpacity: ['opacity'],
  setVisible: ['visible'],
  resize: ['width', 'height'],
};

const kBoxes = ['FRAME', 'COMPONENT', 'COMPONENT_SET', 'INSTANCE', 'RECTANGLE', 'TEXT'];

export const isSeen = (paint: Paint): boolean => paint.visible !== false && (paint.opacity ?? 1) > 0;

export const isPicture = (paint: Paint): boolean => paint.type === 'IMAGE' || paint.type === 'VIDEO';

export const seenFills = (node: SceneNode): readonly Paint[] =>
  'fills' in node && node.fills !== figma.mixed ? node.fills.filter(isSeen) : [];

// Its strokes are all of it; a fill would make a blob of it.
const isLineArt = (node: SceneNode): boolean =>
  'strokes' in node && node.strokes.some(isSeen) && !kBoxes.includes(node.type);

function isLocked(node: SceneNode): boolean {
  for (let one: BaseNode | null = node; one && one.type !== 'PAGE'; one = one.parent) {
    if ('locked' in one && one.locked) return true;
  }
  return false;
}

function placedByLayout(node: SceneNode): boolean {
  const { parent } = node;
  if (!parent || !('layoutMode' in parent) || parent.layoutMode === 'NONE') return false;
  return !('layoutPositioning' in node && node.layoutPositioning === 'ABSOLUTE');
}

function sizedByLayout(node: SceneNode): boolean {
  if (!('layoutSizingHorizontal' in node)) return false;
  return node.layoutSizingHorizontal !== 'FIXED' || node.layoutSizingVertical !== 'FIXED';
}

function isInInstance(node: SceneNode): boolean {
  for (let above = node.parent; above && above.type !== 'PAGE'; above = above.parent) {
    if (above.type === 'INSTANCE') return true;
  }
  return false;
}

function isBound(node: SceneNode, fields: string[]): boolean {
  const bound: Readonly<Record<string, unknown>> = ('boundVariables' in node && node.boundVariables) || {};
  return fields.some((field) => field in bound);
}

const hasStyle = (id: string | symbol | undefined): boolean => id !== undefined && id !== '';

function paintsAreBound(node: SceneNode, fills: readonly Paint[]): boolean {
  if ('fillStyleId' in node && hasStyle(node.fillStyleId)) return true;
  return fills.some((paint) => paint.type === 'SOLID' && paint.boundVariables?.color !== undefined);
}

// None: the change does what it says and no more.
export function harmOf(action: Action, node: SceneNode, frame: FrameLike): Harm | null {
  if (isLocked(node)) return { kept: 'locked' };
  const harm = harmBeside(action, node, frame);
  if (harm && 'kept' in harm) return harm;
  return isBound(node, kBoundFields[action] ?? []) ? { lost: 'style' } : harm;
}

function harmBeside(action: Action, node: SceneNode, frame: FrameLike): Harm | null {
  switch (action) {
    case 'setFill': {
      if (!('fills' in node)) return { kept: 'without' };
      if (node.fills === figma.mixed) return { kept: 'several colours' };
      const seen = seenFills(node);
      if (seen.some(isPicture)) return { kept: 'picture' };
      if (seen.some((paint) => paint.type !== 'SOLID')) return { kept: 'gradient' };
      if (seen.length === 0 && isLineArt(node)) return { kept: 'line' };
      return paintsAreBound(node, seen) ? { lost: 'style' } : null;
    }
    case 'generateImage':
      if (!('fills' in node)) return { kept: 'without' };
      if (node.fills === figma.mixed) return { kept: 'several colours' };
      return 'fillStyleId' in node && hasStyle(node.fillStyleId) ? { lost: 'style' } : null;
    case 'setText':
    case 'setFontSize':
      if (node.type !== 'TEXT') return { kept: 'without' };
      if (node.hasMissingFont) return { kept: 'font' };
      if (action === 'setFontSize') {
        if (hasStyle(node.textStyleId)) return { lost: 'style' };
        return node.fontSize === figma.mixed ? { lost: 'mixed text' } : null;
      }
      return [node.fontName, node.fontSize, node.fills].includes(figma.mixed) ? { lost: 'mixed text' } : null;
    case 'setCornerRadius':
      if (!('cornerRadius' in node)) return { kept: 'without' };
      return node.cornerRadius === figma.mixed ? { lost: 'corners' } : null;
    case 'setOpacity':
      return 'opacity' in node ? null : { kept: 'without' };
    case 'setVisible':
      return node === frame ? { kept: 'frame' } : null;
    case 'move':
      if (node === frame) return { kept: 'frame' };
      if (placedByLayout(node)) return { kept: 'layout' };
      return isInInstance(node) ? { kept: 'instance' } : null;
    case 'resize':
      if (!('resize' in node)) return { kept: 'without' };
      if (node !== frame && isInInstance(node)) return { kept: 'instance' };
      if (sizedByLayout(node)) return { kept: 'layout' };
      return turned(frame, node) === 'askew' ? { kept: 'turned' } : null;
  }
}
