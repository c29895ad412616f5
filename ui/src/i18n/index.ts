import { computed, signal } from '@preact/signals';
import { recall, remember } from '../store/preferences';
import { en, type Catalogue } from './en';
import { zh } from './zh';

export const catalogues = { en, zh } satisfies Record<string, Catalogue>;
export type Language = keyof typeof catalogues;

function firstLanguage(): Language {
  const kept = recall('language');
  if (kept === 'en' || kept === 'zh') return kept;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

export const language = signal<Language>(firstLanguage());
/** The words of the chosen language. */
export const t = computed<Catalogue>(() => catalogues[language.value]);

export function setLanguage(to: Language) {
  language.value = to;
  remember('language', to);
}
