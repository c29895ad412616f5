// The highlighter, in a thread of its own: a long block of code would be felt. Started when the first is needed or soon after
// the first paint, so that it is there without the server too.
import type { HighlightAnswer, HighlightRequest } from './highlight_worker';

let worker: Worker | null = null;
let last = 0;
const asked = new Map<number, (parts: string[] | null) => void>();

export function startHighlighter(): Worker {
  if (worker) return worker;
  worker = new Worker(new URL('./highlight_worker.ts', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data }: MessageEvent<HighlightAnswer>) => {
    asked.get(data.id)?.(data.parts);
    asked.delete(data.id);
  };
  return worker;
}

/** HTML of each of code_parts' parts, or null for a language it does not know. */
export function highlight(text: string, language: string): Promise<string[] | null> {
  const id = ++last;
  startHighlighter().postMessage({ id, text, language } satisfies HighlightRequest);
  return new Promise((done) => asked.set(id, done));
}
