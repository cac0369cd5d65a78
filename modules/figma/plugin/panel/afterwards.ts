// A frame's layers as a variant would leave them, without touching the document: what drawing.ts draws. Constraints and
// auto layout do their part in Figma only.
import { inOrder, type Instruction } from '../shared/instructions';
import type { ExportedFrame, Harm, Look } from '../shared/messages';

export interface Shape extends Look {
  id: string;
  parent: number; // its place in the list; -1: none
  type: string;
  text: string;
  fontSize: number;
  radius: number;
  opacity: number;
  visible: boolean;
  recoloured: boolean;
  generated: Uint8Array | null; // PNG or JPEG
}

const kFontSize = 16; // where a text has several

export const harmIn = (frame: ExportedFrame, { layerId, action }: Instruction): Harm | undefined => {
  const at = frame.layers.findIndex(({ id }) => id === layerId);
  return frame.looks[at]?.harms[action];
};

// Those that are made.
export const feasible = (frame: ExportedFrame, instructions: Instruction[]): Instruction[] =>
  instructions.filter((one) => {
    const harm = harmIn(frame, one);
    return !(harm && 'kept' in harm) && (one.action !== 'generateImage' || one.picture !== null);
  });

function boxOf({ transform: [[a, b, x], [c, d, y]], width, height }: Look): { x: number; y: number } {
  return {
    x: x + Math.min(0, a * width) + Math.min(0, b * height),
    y: y + Math.min(0, c * width) + Math.min(0, d * height),
  };
}

function shift(shapes: Shape[], at: number, dx: number, dy: number): void {
  shapes.forEach((shape, i) => {
    let above = i;
    while (above >= 0 && above !== at) above = shapes[above]?.parent ?? -1;
    if (above !== at) return;
    const [[a, b, x], [c, d, y]] = shape.transform;
    shape.transform = [
      [a, b, x + dx],
      [c, d, y + dy],
    ];
  });
}

function change(shapes: Shape[], at: number, shape: Shape, one: Instruction): void {
  switch (one.action) {
    case 'setText':
      shape.text = one.text;
      return;
    case 'setFontSize':
      shape.fontSize = one.fontSize;
      return;
    case 'setFill':
      shape.fill = one.fill;
      shape.recoloured = true;
      return;
    case 'setCornerRadius':
      shape.radius = one.cornerRadius;
      return;
    case 'setOpacity':
      shape.opacity = one.opacity;
      return;
    case 'setVisible':
      shape.visible = one.visible;
      return;
    case 'generateImage':
      shape.generated = one.picture;
      return;
    case 'resize': {
      const lying = Math.abs(shape.transform[0][0]) < 1e-6;
      shape.width = lying ? one.height : one.width;
      shape.height = lying ? one.width : one.height;
      return;
    }
    case 'move': {
      const { x, y } = boxOf(shape);
      shift(shapes, at, one.x - x, one.y - y);
    }
  }
}

export function afterwards(frame: ExportedFrame, instructions: Instruction[]): Shape[] {
  const ids = frame.layers.map(({ id }) => id);
  const places = new Map(ids.map((id, i) => [id, i]));
  const shapes = frame.layers.flatMap((layer, i): Shape[] => {
    const look = frame.looks[i];
    if (!look) return [];
    return [
      {
        ...look,
        id: layer.id,
        parent: places.get(layer.parentId ?? '') ?? -1,
        type: layer.type,
        text: layer.text ?? '',
        fontSize: layer.fontSize ?? kFontSize,
        radius: layer.cornerRadius ?? 0,
        opacity: layer.opacity ?? 1,
        visible: true,
        recoloured: false,
        generated: null,
      },
    ];
  });
  for (const one of inOrder(feasible(frame, instructions), ids)) {
    const at = places.get(one.layerId) ?? -1;
    const shape = shapes[at];
    if (shape) change(shapes, at, shape, one);
  }
  return shapes;
}
