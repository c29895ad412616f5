// The page that is shown, kept in the address behind '#', so that links and the browser's buttons work.
import { signal } from '@preact/signals';

export const pages = ['chat', 'images', 'models', 'live'] as const;
export type Page = (typeof pages)[number];

function fromAddress(): Page {
  const name = location.hash.replace(/^#\/?/, '');
  return pages.find((p) => p === name) ?? 'chat';
}

export const page = signal<Page>(fromAddress());
addEventListener('hashchange', () => (page.value = fromAddress()));

export function goTo(to: Page) {
  if (page.peek() !== to) location.hash = `/${to}`;
}
