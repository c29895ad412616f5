import { signal } from '@preact/signals';
import { recall, remember } from '../store/preferences';

export const themes = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

export const theme = signal<Theme>(themes.find((x) => x === recall('theme')) ?? 'auto');

function apply() {
  if (theme.value === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
}

export function setTheme(to: Theme) {
  theme.value = to;
  remember('theme', to);
  apply();
}

/** Calls back when the colours change, by choice or by the system's. */
export function onColours(changed: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)');
  system.addEventListener('change', changed);
  const stop = theme.subscribe(changed);
  return () => {
    system.removeEventListener('change', changed);
    stop();
  };
}

apply();
