// Where layers stand in a frame's own coordinates, whichever way the frame and they are turned or flipped.

const kStraight = 1e-6;

// first, then second: both map a layer's own coordinates to those around it.
function after([a, b]: Transform, [c, d]: Transform): Transform {
  const row = ([p, q, r]: Transform[0]): Transform[0] => [
    p * c[0] + q * d[0],
    p * c[1] + q * d[1],
    p * c[2] + q * d[2] + r,
  ];
  return [row(a), row(b)];
}

// None: the layer is flattened to a line.
function inverse([[a, b, x], [c, d, y]]: Transform): Transform | null {
  const area = a * d - b * c;
  if (Math.abs(area) < kStraight) return null;
  return [
    [d / area, -b / area, (b * y - d * x) / area],
    [-c / area, a / area, (c * x - a * y) / area],
  ];
}

const kSame: Transform = [
  [1, 0, 0],
  [0, 1, 0],
];

// From the layer's own coordinates to the frame's.
export function transformIn(frame: SceneNode, node: SceneNode): Transform {
  const back = inverse(frame.absoluteTransform);
  return back ? after(back, node.absoluteTransform) : kSame;
}

// The box around the layer in the frame's coordinates.
export function boxIn(frame: SceneNode, node: SceneNode): Rect {
  const [[a, b, x], [c, d, y]] = transformIn(frame, node);
  const { width, height } = node;
  return {
    x: x + Math.min(0, a * width) + Math.min(0, b * height),
    y: y + Math.min(0, c * width) + Math.min(0, d * height),
    width: Math.abs(a) * width + Math.abs(b) * height,
    height: Math.abs(c) * width + Math.abs(d) * height,
  };
}

// Upright or flipped: its sides are those of its box. Lying: they have changed places.
export function turned(frame: SceneNode, node: SceneNode): 'upright' | 'lying' | 'askew' {
  const [[a, b]] = transformIn(frame, node);
  if (Math.abs(b) < kStraight) return 'upright';
  return Math.abs(a) < kStraight ? 'lying' : 'askew';
}

// What places a layer: groups have no coordinates of their own.
function container(node: SceneNode): BaseNode | null {
  let above = node.parent;
  while (above && (above.type === 'GROUP' || above.type === 'BOOLEAN_OPERATION')) above = above.parent;
  return above;
}

// Moves the layer's box to `x`, `y` of the frame.
export function moveIn(frame: SceneNode, node: SceneNode, x: number, y: number): boolean {
  const box = boxIn(frame, node);
  const around = container(node);
  const turn = around && 'absoluteTransform' in around ? inverse(transformIn(frame, around)) : kSame;
  if (!turn) return false;
  const [[a, b], [c, d]] = turn;
  node.x += a * (x - box.x) + b * (y - box.y);
  node.y += c * (x - box.x) + d * (y - box.y);
  return true;
}
