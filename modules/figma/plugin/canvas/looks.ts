// What a layer of a frame looks like, for the panel to draw it: its own shape, or a picture where that says too little.
import { kActions } from '../shared/instructions';
import type { Harm, Look } from '../shared/messages';
import { picture } from './exporting';
import { harmOf, isPicture, isSeen, seenFills } from './harm';
import { transformIn } from './place';
import { hexOf, type FrameLike } from './tree';

const kPictureSide = 192; // pixels
const kBold = 600;

const kWeights: [RegExp, number][] = [
  [/extra ?light|thin/i, 200],
  [/light/i, 300],
  [/semi ?bold|demi|medium/i, kBold],
  [/bold|black|heavy/i, 700],
];

function fontOf(node: TextNode): Look['font'] {
  const { fontName, textAlignHorizontal } = node;
  const font = fontName === figma.mixed ? { family: 'Inter', style: 'Regular' } : fontName;
  const weight = kWeights.find(([name]) => name.test(font.style))?.[1] ?? 400;
  const align = textAlignHorizontal === 'CENTER' ? 'middle' : textAlignHorizontal === 'RIGHT' ? 'end' : 'start';
  return { family: font.family, weight, align };
}

// Leaves only: what is inside the others is drawn by itself. A picture lies in the box around the layer.
function wantsPicture(node: SceneNode): boolean {
  if ('children' in node && node.type !== 'BOOLEAN_OPERATION' && node.children.length > 0) return false;
  if (node.type === 'TEXT') return false;
  if (node.type !== 'RECTANGLE' && node.type !== 'FRAME' && node.type !== 'COMPONENT') return true;
  return seenFills(node).some((paint) => paint.type !== 'SOLID');
}

function fillOf(node: SceneNode): { fill: string | null; fillOpacity: number } {
  if ('fills' in node && node.fills === figma.mixed) return { fill: '#808080', fillOpacity: 1 };
  const fills = seenFills(node);
  if (fills.some(isPicture)) return { fill: 'image', fillOpacity: 1 };
  const top = fills[fills.length - 1];
  const fillOpacity = top?.opacity ?? 1;
  if (top?.type === 'SOLID') return { fill: hexOf(top), fillOpacity };
  const [first] = top && 'gradientStops' in top ? top.gradientStops : [];
  return { fill: first ? hexOf({ type: 'SOLID', color: first.color }) : null, fillOpacity };
}

function strokeOf(node: SceneNode): Look['stroke'] {
  if (!('strokes' in node) || typeof node.strokeWeight !== 'number') return null;
  const seen = node.strokes.filter(isSeen);
  const top = seen[seen.length - 1];
  return top?.type === 'SOLID' ? { colour: hexOf(top), width: node.strokeWeight } : null;
}

export async function lookOf(frame: FrameLike, node: SceneNode, mayPicture: boolean): Promise<Look> {
  const harms: { [K in (typeof kActions)[number]]?: Harm } = {};
  for (const action of kActions) {
    const harm = harmOf(action, node, frame);
    if (harm) harms[action] = harm;
  }
  const [[a, b, x], [c, d, y]] = transformIn(frame, node);
  const { width, height } = node;
  return {
    transform: [
      [a, b, x],
      [c, d, y],
    ],
    width,
    height,
    ...fillOf(node),
    stroke: strokeOf(node),
    picture: mayPicture && wantsPicture(node) ? await picture(node, kPictureSide).catch(() => null) : null,
    font: node.type === 'TEXT' ? fontOf(node) : null,
    clips: 'clipsContent' in node && node.clipsContent,
    harms,
  };
}
