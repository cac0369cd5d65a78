// What the panel (ui.ts: the network, no document) and the canvas (code.ts: the document, no network) tell each other.
import type { Action, Instruction } from './instructions';

export const kLayersMax = 500; // the API's
export const kBodyMax = 20_000_000; // bytes of a request, the API's

export interface Settings {
  server: string;
  token: string;
  hinted?: boolean; // has read what the plugin does
}

export interface Selection {
  selected: number; // layers
  inside: number; // layers inside them; counting ends at kCountMax
  variants: number; // of these, left alone with what is inside them
  frame: { name: string; layers: number } | null; // where the selection is one frame; its visible layers, all of them
}
export const kCountMax = 20_000; // a page may hold a hundred thousand; nobody needs their exact number

export interface ExportedLayer {
  id: string;
  name: string;
  type: string;
  picture: Uint8Array; // PNG
}
export interface ExportedLayers {
  layers: ExportedLayer[];
  unseen: number; // nothing of them is visible, so there is no picture to name them by
  beyond: number; // of the selection, over kLayersMax
  variants: number; // left alone
}

// The API's, but for its name.
export interface Layer {
  id: string;
  name: string;
  type: string;
  x: number;
  y: number;
  width: number;
  height: number;
  text?: string;
  fill?: string;
  fontSize?: number;
  cornerRadius?: number;
  opacity?: number;
  parentId?: string;
}
// Why a change is not made, or what the designer made ends with it.
export type Harm =
  | { kept: 'locked' | 'picture' | 'gradient' | 'line' | 'several colours' | 'font' | 'layout' | 'instance' | 'turned' | 'frame' | 'without' }
  | { lost: 'style' | 'mixed text' | 'corners' };

// What only the panel wants to know of a layer, for its drawing and for what it says before anything is applied.
export interface Look {
  transform: [[number, number, number], [number, number, number]]; // to the frame's coordinates
  width: number; // its own, however it is turned
  height: number;
  fill: string | null; // CSS's; none where it has none, or looks like `picture`
  fillOpacity: number;
  stroke: { colour: string; width: number } | null;
  picture: Uint8Array | null; // PNG, of what no fill can draw
  font: { family: string; weight: number; align: 'start' | 'middle' | 'end' } | null;
  clips: boolean;
  harms: { [K in Action]?: Harm };
}

export interface ExportedFrame {
  id: string;
  name: string;
  width: number;
  height: number;
  picture: Uint8Array | null; // PNG
  layers: Layer[];
  looks: Look[]; // of the layers, in their order
  beyond: number; // visible layers, over kLayersMax
}

export interface NewName {
  id: string;
  oldName: string;
  newName: string;
}

// What the panel asks for, and what it gets.
export interface Asks {
  exportLayers: { ask: { inside: boolean }; answer: ExportedLayers };
  exportFrame: { ask: null; answer: ExportedFrame };
  applyNames: { ask: NewName[]; answer: Renamed };
  applyEdits: { ask: Edits; answer: { applied: number; skipped: number } };
  showLayer: { ask: { id: string }; answer: null };
  saveSettings: { ask: Settings; answer: null };
}
export interface Renamed {
  renamed: number;
  gone: number;
  changed: number; // renamed by somebody else meanwhile
  refused: number; // by Figma
  reason: string; // its words, for the first of those
}
export interface Edits {
  frameId: string;
  title: string;
  toCopy: boolean;
  instructions: Instruction[];
}

export type ToCanvas =
  | { [K in keyof Asks]: { kind: 'ask'; number: number; what: K; body: Asks[K]['ask'] } }[keyof Asks]
  | { kind: 'ready' }
  | { kind: 'stopExport' }
  | { kind: 'close' };

export type ToPanel =
  | { kind: 'start'; settings: Settings | null; userId: string | null }
  | { kind: 'selection'; selection: Selection }
  | { kind: 'exporting'; done: number; of: number }
  | { kind: 'answer'; number: number; body: unknown }
  | { kind: 'refusal'; number: number; sentence: string };

// An error whose message is for the designer.
export class Sentence extends Error {}
