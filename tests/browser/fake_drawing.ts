// Draws a node of the fake Figma as Figma would, roughly: fills, pictures, rounded corners, text, opacity.
import type { GradientPaint, Paint } from '@figma/plugin-typings/plugin-api-standalone';
import { boxOf, type FakeNode } from './fake_nodes.js';

type Images = ReadonlyMap<string, ImageBitmap>;

// The box around the layer, as Figma exports it.
export function draw(node: FakeNode, scale: number, images: Images): OffscreenCanvas {
  const size = (length: number) => Math.max(1, Math.round(length * scale));
  const box = boxOf(node.relativeTransform, node.width, node.height);
  const canvas = new OffscreenCanvas(size(box.width), size(box.height));
  const pen = canvas.getContext('2d')!;
  pen.scale(scale, scale);
  pen.translate(-box.x, -box.y);
  drawNode(pen, node, images);
  return canvas;
}

function drawNode(pen: OffscreenCanvasRenderingContext2D, node: FakeNode, images: Images) {
  if (!node.visible || node.type === 'SLICE') return;
  pen.save();
  if (node.type !== 'SECTION') pen.globalAlpha *= node.opacity;
  if (node.type !== 'GROUP') {
    const [[a, b, x], [c, d, y]] = node.relativeTransform;
    pen.transform(a, c, b, d, x, y);
  }
  if (node.type === 'TEXT') {
    drawText(pen, node);
  } else {
    if (node.type !== 'GROUP') {
      shape(pen, node);
      pen.clip();
      const fills = typeof node.fills === 'object' ? node.fills : [];
      for (const paint of fills) if (paint.visible !== false) drawPaint(pen, node, paint, images);
    }
    if ('strokes' in node && node.strokes.length) {
      pen.strokeStyle = colourOf(node.strokes[0]);
      pen.lineWidth = 2;
      pen.stroke();
    }
    if ('children' in node) {
      for (const child of node.children) drawNode(pen, child as unknown as FakeNode, images);
    }
  }
  pen.restore();
}

function shape(pen: OffscreenCanvasRenderingContext2D, node: FakeNode) {
  pen.beginPath();
  if (node.type === 'VECTOR') {
    pen.moveTo(0, node.height);
    pen.lineTo(node.width / 2, 0);
    pen.lineTo(node.width, node.height);
    return;
  }
  const radius = 'cornerRadius' in node && typeof node.cornerRadius === 'number' ? node.cornerRadius : 0;
  pen.roundRect(0, 0, node.width, node.height, radius);
}

function colourOf(paint: Paint | undefined) {
  if (paint?.type !== 'SOLID') return 'transparent';
  const { r, g, b } = paint.color;
  return `rgb(${[r, g, b].map((part) => Math.round(part * 255)).join(' ')} / ${paint.opacity ?? 1})`;
}

function drawPaint(pen: OffscreenCanvasRenderingContext2D, node: FakeNode, paint: Paint, images: Images) {
  const image = paint.type === 'IMAGE' && paint.imageHash ? images.get(paint.imageHash) : undefined;
  if (!image) {
    pen.fillStyle = paint.type === 'GRADIENT_LINEAR' ? gradient(pen, node, paint) : colourOf(paint);
    pen.fillRect(0, 0, node.width, node.height);
    return;
  }
  const scale = Math.max(node.width / image.width, node.height / image.height);
  const [width, height] = [image.width * scale, image.height * scale];
  pen.drawImage(image, (node.width - width) / 2, (node.height - height) / 2, width, height);
}

function gradient(pen: OffscreenCanvasRenderingContext2D, node: FakeNode, paint: GradientPaint) {
  const ramp = pen.createLinearGradient(0, 0, node.width, 0);
  for (const { position, color } of paint.gradientStops) {
    const [r, g, b] = [color.r, color.g, color.b].map((part) => Math.round(part * 255));
    ramp.addColorStop(position, `rgb(${r} ${g} ${b} / ${color.a})`);
  }
  return ramp;
}

function drawText(pen: OffscreenCanvasRenderingContext2D, node: FakeNode & { type: 'TEXT' }) {
  const size = typeof node.fontSize === 'number' ? node.fontSize : 16;
  const bold = typeof node.fontName === 'object' && node.fontName.style.includes('Bold');
  pen.font = `${bold ? 700 : 400} ${size}px Inter, 'Liberation Sans', sans-serif`;
  pen.textBaseline = 'top';
  pen.fillStyle = colourOf(typeof node.fills === 'object' ? node.fills[0] : { type: 'SOLID', color: { r: 0.5, g: 0.5, b: 0.5 } });
  let [line, y] = ['', 0];
  for (const word of node.characters.split(' ')) {
    const longer = line ? `${line} ${word}` : word;
    if (line && pen.measureText(longer).width > node.width) {
      pen.fillText(line, 0, y);
      [line, y] = [word, y + size * 1.3];
    } else {
      line = longer;
    }
  }
  pen.fillText(line, 0, y);
}
