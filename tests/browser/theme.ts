// What Figma puts into a plugin's window that asked for themeColors: the colours of its theme, and the theme's class.
// Values of Figma's documentation, "CSS Variables and Theming".
import type { Theme } from './fake_figma.js';

const kColours: { [name: string]: [light: string, dark: string] } = {
  bg: ['#ffffff', '#2c2c2c'],
  'bg-secondary': ['#f5f5f5', '#383838'],
  'bg-tertiary': ['#e6e6e6', '#444444'],
  'bg-hover': ['#f5f5f5', '#383838'],
  'bg-pressed': ['#e6e6e6', '#444444'],
  'bg-disabled': ['#d9d9d9', '#757575'],
  'bg-selected': ['#e5f4ff', '#4a5878'],
  'bg-brand': ['#0d99ff', '#0c8ce9'],
  'bg-brand-hover': ['#007be5', '#0a6dc2'],
  'bg-brand-pressed': ['#007be5', '#0a6dc2'],
  'bg-brand-tertiary': ['#e5f4ff', '#394360'],
  'bg-danger': ['#f24822', '#e03e1a'],
  'bg-danger-tertiary': ['#ffe2e0', '#60332a'],
  'bg-success': ['#14ae5c', '#198f51'],
  'bg-success-tertiary': ['#cff7d3', '#3d4f3d'],
  'bg-warning': ['#ffcd29', '#f3c11b'],
  'bg-warning-tertiary': ['#fff1c2', '#5d4f24'],
  border: ['#e6e6e6', '#444444'],
  'border-strong': ['#2c2c2c', '#ffffff'],
  'border-selected': ['#0d99ff', '#0c8ce9'],
  'border-brand': ['#007be5', '#7cc4f8'],
  'border-danger': ['#f24822', '#e03e1a'],
  text: ['#000000e5', '#ffffff'],
  'text-secondary': ['#00000080', '#ffffffb2'],
  'text-tertiary': ['#0000004d', '#ffffff66'],
  'text-disabled': ['#0000004d', '#ffffff66'],
  'text-brand': ['#007be5', '#7cc4f8'],
  'text-danger': ['#dc3412', '#fca397'],
  'text-success': ['#009951', '#79d297'],
  'text-warning': ['#b86200', '#f7d15f'],
  'text-onbrand': ['#ffffff', '#ffffff'],
  'text-ondanger': ['#ffffff', '#ffffff'],
  'text-onsuccess': ['#ffffff', '#ffffff'],
  'text-onselected': ['#000000e5', '#ffffff'],
  icon: ['#000000e5', '#ffffff'],
  'icon-secondary': ['#00000080', '#ffffffb2'],
  'icon-brand': ['#007be5', '#7cc4f8'],
  'icon-danger': ['#dc3412', '#fca397'],
  'icon-onbrand': ['#ffffff', '#ffffff'],
};

export function themeStyle(theme: Theme): string {
  const values = Object.entries(kColours).map(
    ([name, of]) => `--figma-color-${name}: ${of[theme === 'light' ? 0 : 1]};`,
  );
  return `<script>document.documentElement.className = 'figma-${theme}'</script><style>:root { ${values.join(' ')} }</style>`;
}
