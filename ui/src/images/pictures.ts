// The pictures of the Images page and what was found in them. They are kept while the page lives, in memory alone; each has an
// object URL, given back when the picture goes. A few are asked about at a time, one a request, so that each has its own answer,
// times and errors; the server batches those that meet.
import { effect, signal } from '@preact/signals';
import { sentenceOf } from '../api/error';
import { askPicture, type PictureAnswer, type Question } from '../api/images';
import { refreshState } from '../api/poll';
import { percent } from '../design/format';
import { t } from '../i18n';
import { newId } from '../store/tree';
import { needsAsking, shownClasses, shownDetections } from './answers';

export const kMostPictures = 60;
const kAtOnce = 3;
const kSettleMs = 250; // a slider that is being moved

export interface Picture {
  id: string;
  file: File;
  url: string;
  state: 'waiting' | 'asking' | 'done' | 'failed';
  asked?: Question;
  answer?: PictureAnswer;
  error?: string;
}

export const pictures = signal<Picture[]>([]);
/** What is wanted of each; null while no model is there to ask. */
export const question = signal<Question | null>(null);
/** Said to screen readers. */
export const announcement = signal('');

const running = new Map<string, AbortController>();

function update(id: string, more: Partial<Picture>) {
  pictures.value = pictures.peek().map((p) => (p.id === id ? { ...p, ...more } : p));
}

/** How many were left out: what is no picture, and what is too many. */
export function addPictures(files: Iterable<File>): { notPictures: number; tooMany: number } {
  const all = [...files];
  const good = all.filter((f) => f.type === '' || f.type.startsWith('image/')); // the server knows what the browser does not
  const fitting = good.slice(0, Math.max(0, kMostPictures - pictures.peek().length));
  const fresh = fitting.map((file): Picture => ({ id: newId(), file, url: URL.createObjectURL(file), state: 'waiting' }));
  pictures.value = [...fresh, ...pictures.peek()];
  pump();
  return { notPictures: all.length - good.length, tooMany: good.length - fitting.length };
}

export function removePicture(id: string) {
  running.get(id)?.abort();
  const gone = pictures.peek().find((p) => p.id === id);
  if (gone) URL.revokeObjectURL(gone.url);
  pictures.value = pictures.peek().filter((p) => p.id !== id);
}

export function clearPictures() {
  for (const { id } of pictures.peek()) removePicture(id);
}

export function askAgain(id: string) {
  update(id, { state: 'waiting', error: undefined });
  pump();
}

/** Asks about those that wait, as many at once as may be. */
function pump() {
  const wanted = question.peek();
  if (!wanted) return;
  for (const picture of pictures.peek()) {
    if (running.size >= kAtOnce) return;
    if (picture.state === 'waiting' && !running.has(picture.id)) void ask(picture, wanted);
  }
}

/** An answer in a sentence. */
function spoken(name: string, answer: PictureAnswer, { task, topK, threshold }: Question): string {
  const words = t.peek().images;
  const best = shownClasses(answer, topK)[0];
  if (task === 'classify') return best ? words.saidClass(name, best.label, percent(best.score)) : words.saidNothing(name);
  const found = shownDetections(answer, threshold);
  if (found.length === 0) return words.saidNothing(name);
  return words.saidObjects(name, String(found.length), found.slice(0, 8).map((d) => d.label).join(', '));
}

async function ask(picture: Picture, wanted: Question) {
  const controller = new AbortController();
  running.set(picture.id, controller);
  update(picture.id, { state: 'asking', asked: wanted });
  try {
    const answer = await askPicture(picture.file, wanted, controller.signal);
    if (!controller.signal.aborted) {
      update(picture.id, { state: 'done', answer, error: undefined });
      announcement.value = spoken(picture.file.name, answer, wanted);
    }
  } catch (error) {
    if (!controller.signal.aborted) {
      update(picture.id, { state: 'failed', answer: undefined, error: sentenceOf(error, t.peek().chat.unreachable) });
      announcement.value = t.peek().images.saidFailed(picture.file.name);
      void refreshState(); // the model or the server may be gone
    }
  }
  if (running.get(picture.id) === controller) running.delete(picture.id);
  pump();
}

/** Those whose answer does not hold what is wanted now are asked about again. */
function reconsider(wanted: Question) {
  for (const { id, state, asked, answer } of pictures.peek()) {
    if (state === 'waiting' || !needsAsking(asked, wanted)) continue;
    running.get(id)?.abort();
    running.delete(id);
    update(id, { state: 'waiting', error: undefined, answer: asked?.model === wanted.model ? answer : undefined });
  }
  pump();
}

let timer = 0;
effect(() => {
  const wanted = question.value;
  clearTimeout(timer);
  if (wanted) timer = window.setTimeout(() => reconsider(wanted), kSettleMs);
});
