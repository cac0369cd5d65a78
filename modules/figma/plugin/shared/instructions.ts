// The changes an edit consists of: the API's words.
interface Place {
  layerId: string;
}
export type Instruction = Place &
  (
    | { action: 'setText'; text: string }
    | { action: 'setFill'; fill: string } // "#RRGGBB"
    | { action: 'setFontSize'; fontSize: number }
    | { action: 'setCornerRadius'; cornerRadius: number }
    | { action: 'setOpacity'; opacity: number }
    | { action: 'move'; x: number; y: number } // from the frame's top left corner
    | { action: 'resize'; width: number; height: number }
    | { action: 'setVisible'; visible: boolean }
    | { action: 'generateImage'; imagePrompt: string; picture: Uint8Array | null } // none: only the idea of one
  );
export type Action = Instruction['action'];
export const kActions: readonly Action[] = [
  'setText',
  'setFill',
  'setFontSize',
  'setCornerRadius',
  'setOpacity',
  'move',
  'resize',
  'setVisible',
  'generateImage',
];

// As they are applied: a layer moves what is inside it and, by constraints, its size does, too; so sizes come first, then
// places from the outside in. `order`: each layer's place in the tree, read from its top.
export function inOrder(instructions: Instruction[], order: string[]): Instruction[] {
  const places = new Map(order.map((id, i) => [id, i]));
  const rank = ({ action, layerId }: Instruction): number =>
    action === 'move' ? 1 + (places.get(layerId) ?? 0) : action === 'resize' ? -1 : 0;
  return [...instructions].sort((one, other) => rank(one) - rank(other));
}
