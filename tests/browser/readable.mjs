// Runs in the plugin's window: what of it not everyone can read or hit. WCAG 2.2 AA: 1.4.3 (text 4.5:1, large 3:1),
// 1.4.11 (the edges of fields 3:1), 2.5.8 (targets of 24 pixels); and nothing goes beyond the window's sides.
export function unreadable() {
  const wrong = [];
  const parse = (css) => {
    const [r, g, b, a = 1] = css.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, below) => {
    const mix = (one) => top[one] * top.a + below[one] * (1 - top.a);
    return { r: mix('r'), g: mix('g'), b: mix('b'), a: 1 };
  };
  const grounds = new Map([[null, { r: 255, g: 255, b: 255, a: 1 }]]);
  const groundOf = (element) => {
    if (!grounds.has(element)) {
      grounds.set(element, over(parse(getComputedStyle(element).backgroundColor), groundOf(element.parentElement)));
    }
    return grounds.get(element);
  };
  const shares = new Map([[null, 1]]);
  const opacityOf = (element) => {
    if (!shares.has(element)) {
      shares.set(element, Number(getComputedStyle(element).opacity) * opacityOf(element.parentElement));
    }
    return shares.get(element);
  };
  const luminance = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const call = (element) => `<${element.localName}${element.id && ` #${element.id}`}> ${element.textContent.trim().slice(0, 40)}`;
  const seen = (element) => element.checkVisibility({ opacityProperty: true }) && !element.closest('svg, option');

  for (const element of document.body.querySelectorAll('*')) {
    if (!seen(element)) continue;
    const style = getComputedStyle(element);
    const ground = groundOf(element);
    const field = element.matches('input:not([type=checkbox], [type=radio]), select');
    const writes = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (field || (writes && !element.matches('style, script'))) {
      const ink = parse(style.color);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      const ratio = contrast(over({ ...ink, a: ink.a * opacityOf(element) }, ground), ground);
      if (ratio < (large ? 3 : 4.5)) wrong.push(`${ratio.toFixed(2)}:1 ${call(element)}`);
    }
    if (field && contrast(over(parse(style.borderTopColor), ground), groundOf(element.parentElement)) < 3) {
      wrong.push(`the edge of ${call(element)}`);
    }
    if (element.matches('button, input, select, summary')) {
      const { width, height } = (element.closest('label') ?? element).getBoundingClientRect();
      if (Math.min(width, height) < 24) wrong.push(`${width} x ${height} ${call(element)}`);
    }
    const { left, right } = element.getBoundingClientRect();
    if (left < -0.5 || right > innerWidth + 0.5) wrong.push(`cut at the side: ${call(element)}`);
  }
  // No row lies under the bar with Apply.
  for (const bar of document.querySelectorAll('.actions')) {
    const list = bar.parentElement.querySelector('.scroll');
    if (seen(bar) && list.getBoundingClientRect().bottom > bar.getBoundingClientRect().top + 0.5) {
      wrong.push('a bar covers what it stands under');
    }
  }
  return wrong;
}
