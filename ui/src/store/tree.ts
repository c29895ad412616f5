// A conversation is a tree: editing or retrying adds a sibling and nothing is lost. One path through it is shown.
// Everything here is pure; a changed conversation is a new object.

export type Role = 'user' | 'assistant';
export type Ending = 'stop' | 'length' | 'stopped' | 'error';

export interface AnswerStats {
  ttftMs: number; // from sending to the first words
  tokensPerSecond: number; // after the first; 0 where there were too few to tell
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
}

export interface Message {
  id: string;
  parent: string; // '' for the first ones
  role: Role;
  content: string;
  created: number; // ms since 1970
  model?: string;
  ending?: Ending; // absent while it runs
  error?: string;
  stats?: AnswerStats;
}

export interface Sampling {
  temperature?: number;
  top_p?: number;
  top_k?: number;
  min_p?: number;
  max_tokens?: number;
  repetition_penalty?: number;
  presence_penalty?: number;
  frequency_penalty?: number;
  seed?: number;
  stop?: string[];
}

export interface Conversation {
  id: string;
  title: string; // '' until the first message names it
  created: number;
  updated: number;
  model: string; // '' : the first that is ready
  system: string;
  sampling: Sampling;
  messages: Record<string, Message>;
  shown: Record<string, string>; // message id ('' for the root) → the child that is shown
}

export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, '0')).join('');
}

export function newConversation(like?: Pick<Conversation, 'model' | 'system' | 'sampling'>): Conversation {
  const now = Date.now();
  return {
    id: newId(),
    title: '',
    created: now,
    updated: now,
    model: like?.model ?? '',
    system: like?.system ?? '',
    sampling: { ...like?.sampling },
    messages: {},
    shown: {},
  };
}

/** Children in the order they were made. */
export function childrenOf(c: Conversation, parent: string): Message[] {
  return Object.values(c.messages)
    .filter((m) => m.parent === parent)
    .sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
}

/** The messages that are shown, first to last. */
export function shownPath(c: Conversation): Message[] {
  const byParent = new Map<string, Message[]>();
  for (const m of Object.values(c.messages)) {
    const list = byParent.get(m.parent);
    if (list) list.push(m);
    else byParent.set(m.parent, [m]);
  }
  const path: Message[] = [];
  let at = '';
  while (path.length <= byParent.size) {
    const children = byParent.get(at);
    if (!children?.length) break;
    const wanted = c.shown[at];
    const next = children.find((m) => m.id === wanted) ?? children.reduce((a, b) => (b.created >= a.created ? b : a));
    path.push(next);
    at = next.id;
  }
  return path;
}

/** The messages from the first down to this one. */
export function pathTo(c: Conversation, id: string): Message[] {
  const path: Message[] = [];
  const seen = new Set<string>();
  for (let m = c.messages[id]; m && !seen.has(m.id); m = c.messages[m.parent]) {
    seen.add(m.id);
    path.unshift(m);
  }
  return path;
}

/** Adds or replaces a message; a new one is shown. */
export function withMessage(c: Conversation, m: Message): Conversation {
  const isNew = !c.messages[m.id];
  return {
    ...c,
    updated: isNew ? Math.max(m.created, c.updated) : c.updated,
    messages: { ...c.messages, [m.id]: m },
    shown: isNew ? { ...c.shown, [m.parent]: m.id } : c.shown,
  };
}

/** Shows the sibling that many places away. */
export function withSibling(c: Conversation, id: string, step: number): Conversation {
  const m = c.messages[id];
  if (!m) return c;
  const all = childrenOf(c, m.parent);
  const to = all[all.findIndex((x) => x.id === id) + step];
  return to ? { ...c, shown: { ...c.shown, [m.parent]: to.id } } : c;
}

const kTitleLength = 60;

export function titleFrom(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  const letters = Array.from(line);
  return letters.length <= kTitleLength ? line : letters.slice(0, kTitleLength - 1).join('').trimEnd() + '…';
}
