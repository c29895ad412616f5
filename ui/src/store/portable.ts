// Export and import. What is imported is a stranger's file: every field is checked and copied, nothing else is kept.
import { newId, type AnswerStats, type Conversation, type Ending, type Message, type Sampling } from './tree';

const kFormat = 'millrace-conversations';
const kMaxConversations = 10_000;
const kMaxMessages = 20_000;
const kMaxText = 4 << 20;
const kEndings: readonly Ending[] = ['stop', 'length', 'stopped', 'error'];
const kNumbers = [
  'temperature', 'top_p', 'top_k', 'min_p', 'max_tokens', 'repetition_penalty', 'presence_penalty', 'frequency_penalty', 'seed',
] as const;

type Json = Record<string, unknown>;

export function exportConversations(list: Conversation[]): string {
  return JSON.stringify({ format: kFormat, version: 1, conversations: list }, null, 1);
}

/** The conversations in the file under new ids, or null when it is not such a file. */
export function importConversations(text: string): Conversation[] | null {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(file) || file.format !== kFormat || file.version !== 1 || !Array.isArray(file.conversations)) return null;
  if (file.conversations.length > kMaxConversations) return null;
  const list: Conversation[] = [];
  for (const item of file.conversations) {
    const conversation = readConversation(item);
    if (!conversation) return null;
    list.push(conversation);
  }
  return list;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const text = (value: unknown) => (typeof value === 'string' ? value.slice(0, kMaxText) : '');
const number = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) ? value : 0);

function readConversation(value: unknown): Conversation | null {
  if (!isObject(value) || !isObject(value.messages)) return null;
  const entries = Object.values(value.messages);
  if (entries.length > kMaxMessages) return null;
  const messages: Record<string, Message> = Object.create(null) as Record<string, Message>;
  for (const entry of entries) {
    const message = readMessage(entry);
    if (!message) return null;
    messages[message.id] = message;
  }
  const shown: Record<string, string> = {};
  if (isObject(value.shown)) {
    for (const [parent, child] of Object.entries(value.shown)) {
      if (typeof child === 'string' && messages[child]?.parent === parent) shown[parent] = child;
    }
  }
  return {
    id: newId(),
    title: text(value.title).slice(0, 200),
    created: number(value.created),
    updated: number(value.updated),
    model: text(value.model),
    system: text(value.system),
    sampling: readSampling(value.sampling),
    messages: { ...messages },
    shown,
  };
}

function readMessage(value: unknown): Message | null {
  if (!isObject(value) || !/^\w{1,64}$/.test(text(value.id)) || value.id === '__proto__') return null;
  if ((value.role !== 'user' && value.role !== 'assistant') || typeof value.content !== 'string') return null;
  const message: Message = {
    id: text(value.id),
    parent: text(value.parent).slice(0, 64),
    role: value.role,
    content: text(value.content),
    created: number(value.created),
  };
  if (value.role === 'assistant') {
    message.ending = kEndings.find((e) => e === value.ending) ?? 'stopped';
    if (typeof value.model === 'string') message.model = text(value.model).slice(0, 500);
    if (typeof value.error === 'string') message.error = text(value.error);
    if (isObject(value.stats)) message.stats = readStats(value.stats);
  }
  return message;
}

function readStats(value: Json): AnswerStats {
  return {
    ttftMs: number(value.ttftMs),
    tokensPerSecond: number(value.tokensPerSecond),
    promptTokens: number(value.promptTokens),
    cachedTokens: number(value.cachedTokens),
    completionTokens: number(value.completionTokens),
  };
}

function readSampling(value: unknown): Sampling {
  const sampling: Sampling = {};
  if (!isObject(value)) return sampling;
  for (const name of kNumbers) {
    if (typeof value[name] === 'number' && Number.isFinite(value[name])) sampling[name] = value[name];
  }
  if (Array.isArray(value.stop)) sampling.stop = value.stop.filter((s) => typeof s === 'string').slice(0, 4);
  return sampling;
}
