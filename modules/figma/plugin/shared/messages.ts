// What the panel (ui.ts: the network, no document) and the canvas (code.ts: the document, no network) tell each other.
import type { Instruction } from './instructions';

export const kLayersMax = 500; // the API's
export const kBodyMax = 20_000_000; // bytes of a request, the API's

export interface Settings {
  server: string;
  token: string;
}

export interface Selection {
  selected: number; // layers
  withInside: number; // those and the layers inside them; counting ends somewhere beyond kLayersMax
  frame: { name: string; layers: number } | null; // where the selection is one frame
}

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
export interface ExportedFrame {
  id: string;
  name: string;
  width: number;
  height: number;
  picture: Uint8Array | null; // PNG
  layers: Layer[];
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
  applyNames: { ask: NewName[]; answer: { renamed: number; left: number } };
  applyEdits: { ask: Edits; answer: { applied: number; skipped: number } };
  saveSettings: { ask: Settings; answer: null };
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
