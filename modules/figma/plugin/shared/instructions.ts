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
