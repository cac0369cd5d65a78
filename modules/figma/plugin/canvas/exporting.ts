// Pictures of layers, small enough that all of them fit into one request.
import {
  Sentence,
  kBodyMax,
  kLayersMax,
  type ExportedFrame,
  type ExportedLayer,
  type ExportedLayers,
  type Look,
} from '../shared/messages';
import { lookOf } from './looks';
import { described, frameOf, selectedLayers, visibleLayers } from './tree';

const kLayerSides = [256, 128, 64]; // pixels of the longer side; the first at which all pictures fit
const kFrameSide = 1024;
const kPicturesDrawn = 60; // of one frame's layers, for the panel's drawing of it
const kPicturesMax = (kBodyMax - 1_000_000) * 0.75; // bytes: base64 makes four of three

let turn = 0; // a later export, or stopExport, ends the one before it

export function stopExport(): void {
  ++turn;
}

export function picture(node: SceneNode, side: number): Promise<Uint8Array> {
  const type = node.width >= node.height ? 'WIDTH' : 'HEIGHT';
  const value = Math.max(1, Math.min(side, Math.ceil(Math.max(node.width, node.height))));
  return node.exportAsync({ format: 'PNG', constraint: { type, value } });
}

// None: they are over kPicturesMax together.
async function exportAt(
  side: number,
  nodes: SceneNode[],
  tell: (done: number) => void,
): Promise<ExportedLayers | null> {
  const mine = ++turn;
  const layers: ExportedLayer[] = [];
  let [unseen, bytes, done] = [0, 0, 0];
  for (const node of nodes) {
    try {
      const { id, name, type } = node;
      const png = await picture(node, side);
      bytes += png.length;
      layers.push({ id, name, type, picture: png });
    } catch {
      ++unseen; // Figma refuses what has no visible pixel, and what was deleted meanwhile
    }
    if (mine !== turn) throw new Sentence('Cancelled.');
    if (bytes > kPicturesMax) return null;
    tell(++done);
  }
  return { layers, unseen, beyond: 0, variants: 0 };
}

export async function exportLayers(inside: boolean, tell: (done: number, of: number) => void): Promise<ExportedLayers> {
  const { layers: found, variants } = selectedLayers(inside);
  if (found.length === 0) throw new Sentence('Select the layers to rename first; variants keep their names.');
  const nodes = found.slice(0, kLayersMax);
  for (const side of kLayerSides) {
    const exported = await exportAt(side, nodes, (done) => tell(done, nodes.length));
    if (!exported) continue;
    if (exported.layers.length === 0)
      throw new Sentence('None of the selected layers shows anything; select visible ones.');
    return { ...exported, beyond: found.length - nodes.length, variants };
  }
  throw new Sentence('These layers are too large to send, even as small pictures; select fewer of them.');
}

export async function exportFrame(): Promise<ExportedFrame> {
  const frame = frameOf(figma.currentPage.selection);
  if (!frame) throw new Sentence('Select one frame first.');
  const mine = ++turn;
  const { id, name, width, height } = frame;
  const png = await picture(frame, kFrameSide).catch(() => null); // edits can do without it
  const { layers: found, count } = visibleLayers(frame);
  const looks: Look[] = [];
  let pictures = 0;
  for (const [node] of found) {
    if (mine !== turn) throw new Sentence('Cancelled.');
    const look = await lookOf(frame, node, pictures < kPicturesDrawn);
    if (look.picture) ++pictures;
    looks.push(look);
  }
  if (mine !== turn) throw new Sentence('Cancelled.');
  const layers = found.map(([node, parentId]) => described(frame, node, parentId));
  return { id, name, width, height, picture: png, layers, looks, beyond: count - found.length };
}
