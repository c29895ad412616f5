// The conversations of this browser: the list, the open one, and those with an answer running. Answers are written soon
// after they come, names at once; what is deleted leaves the list when it has left the store, so a reload shows the same.
// What was running when a page was closed is found as stopped. Reading takes time: what a person did meanwhile stands.
import { computed, signal } from '@preact/signals';
import { erase, isKept, loadAll, loadConversation, loadEntries, store, type ListEntry } from './db';
import { recall, remember } from './preferences';
import { newConversation, type Conversation } from './tree';

const kSaveMs = 400;

export const entries = signal<ListEntry[]>([]);
export const kept = signal(true);
/** Loaded or new conversations by id. */
const loaded = signal<Record<string, Conversation>>({});
/** Not loaded yet just after the start only. */
export const currentId = signal('');
export const current = computed<Conversation | null>(() => loaded.value[currentId.value] ?? null);

const dirty = new Set<string>();
/** Being deleted: an answer that still ends must not write them again. */
const leaving = new Set<string>();
let timer = 0;
/** Asked for last: of two that are being read this one is shown. */
let wanted = '';

export function peekConversation(id: string): Conversation | undefined {
  return loaded.peek()[id];
}

/** Replaces a conversation by what `change` makes of it, and keeps it. */
export function change(id: string, how: (c: Conversation) => Conversation) {
  const before = loaded.peek()[id];
  if (!before || leaving.has(id)) return;
  const after = how(before);
  if (after === before) return;
  loaded.value = { ...loaded.peek(), [id]: after };
  if (Object.keys(after.messages).length === 0) return; // nothing said: nothing to keep
  const entry = entries.peek().find((e) => e.id === id);
  if (!entry && currentId.peek() === id) remember('open', id);
  if (!entry || entry.title !== after.title || entry.updated !== after.updated) {
    const others = entries.peek().filter((e) => e.id !== id);
    entries.value = sorted([...others, { id, title: after.title, updated: after.updated }]);
  }
  dirty.add(id);
  timer ||= window.setTimeout(save, kSaveMs);
}

export async function save() {
  clearTimeout(timer);
  timer = 0;
  const list = [...dirty].flatMap((id) => loaded.peek()[id] ?? []);
  dirty.clear();
  if (list.length > 0) await store(list).catch(() => (kept.value = false));
}

export async function startConversations() {
  const last = recall('open') ?? '';
  if (last) currentId.value = wanted = last;
  else startNew();
  kept.value = await isKept();
  const found = await loadEntries().catch(() => []);
  const known = new Set(entries.peek().map((e) => e.id));
  entries.value = sorted([...entries.peek(), ...found.filter((e) => !known.has(e.id))]);
  addEventListener('pagehide', () => void save());
  document.addEventListener('visibilitychange', () => document.hidden && void save());
  if (wanted === last) await openConversation(last);
  if (!current.peek()) startNew();
}

/** An empty chat with the settings of the last one; it is listed once something is said. */
export function startNew() {
  const like = current.peek();
  if (like && Object.keys(like.messages).length === 0) {
    wanted = like.id;
    return;
  }
  const fresh = newConversation(like ?? undefined);
  if (!like) fresh.model = recall('model') ?? '';
  loaded.value = { ...loaded.peek(), [fresh.id]: fresh };
  currentId.value = wanted = fresh.id;
  remember('open', '');
}

export async function openConversation(id: string) {
  wanted = id;
  if (!(await read(id)) || wanted !== id) return;
  currentId.value = id;
  remember('open', id);
}

export async function removeConversation(id: string) {
  leaving.add(id);
  dirty.delete(id);
  await erase(id).catch(() => (kept.value = false));
  entries.value = entries.peek().filter((e) => e.id !== id);
  const { [id]: _, ...others } = loaded.peek();
  loaded.value = others;
  if (currentId.peek() === id) startNew();
  leaving.delete(id);
}

export async function renameConversation(id: string, title: string) {
  await read(id);
  change(id, (c) => ({ ...c, title }));
  await save();
}

export async function conversationsForExport(id?: string): Promise<Conversation[]> {
  await save();
  if (!id) return kept.peek() ? loadAll() : entries.peek().flatMap((e) => loaded.peek()[e.id] ?? []);
  await read(id);
  return [loaded.peek()[id]].flatMap((c) => c ?? []);
}

export async function addConversations(list: Conversation[]) {
  loaded.value = { ...loaded.peek(), ...Object.fromEntries(list.map((c) => [c.id, c])) };
  entries.value = sorted([...entries.peek(), ...list.map(({ id, title, updated }) => ({ id, title, updated }))]);
  await store(list).catch(() => (kept.value = false));
}

/** Loads it; true when it is there. */
async function read(id: string): Promise<boolean> {
  if (loaded.peek()[id]) return true;
  const found = await loadConversation(id).catch(() => undefined);
  if (!found) return false;
  for (const m of Object.values(found.messages)) if (m.role === 'assistant') m.ending ??= 'stopped';
  loaded.value = { [id]: found, ...loaded.peek() }; // it may have been loaded and changed meanwhile
  return true;
}

function sorted(list: ListEntry[]): ListEntry[] {
  return list.sort((a, b) => b.updated - a.updated);
}
