// Asks for the server's state again and again while the page is visible, and keeps the last minutes of it.
import { effect, signal } from '@preact/signals';
import type { ModelInfo, ServerState } from './state';
import { Series } from '../live/series';
import { page } from '../shell/route';

const kFastMs = 1000; // on the Live page, and while a model comes or goes
const kSlowMs = 4000;

export const serverState = signal<ServerState | null>(null);
/** null until the first answer or failure. */
export const reachable = signal<boolean | null>(null);
export const series = new Series();
/** Counts the samples, so that plots know when to draw. */
export const numSamples = signal(0);

let timer = 0;

async function ask() {
  try {
    const response = await fetch('/ui/state', { cache: 'no-store', signal: AbortSignal.timeout(8000) });
    if (!response.ok) throw new Error();
    const state = (await response.json()) as ServerState;
    series.add(state);
    serverState.value = state;
    reachable.value = true;
    numSamples.value++;
  } catch {
    reachable.value = false;
  }
}

/** Asks now, and goes on from there. */
export async function refreshState() {
  clearTimeout(timer);
  if (document.hidden) return;
  await ask();
  clearTimeout(timer);
  timer = window.setTimeout(refreshState, isMoving() ? kFastMs : kSlowMs);
}

function isMoving(): boolean {
  const comesOrGoes = (m: ModelInfo) => ['waiting', 'loading', 'unloading'].includes(m.state);
  return page.peek() === 'live' || Boolean(serverState.peek()?.models.some(comesOrGoes));
}

export function startPolling() {
  document.addEventListener('visibilitychange', refreshState);
  effect(() => {
    void page.value;
    void refreshState();
  });
}
