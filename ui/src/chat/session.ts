// What a person does in a chat: send, stop, retry, edit. One answer runs a conversation at most; others go on meanwhile.
import { signal } from '@preact/signals';
import { streamChat } from '../api/chat';
import { sentenceOf } from '../api/error';
import { chatModels } from '../api/state';
import { refreshState, serverState } from '../api/poll';
import { t } from '../i18n';
import { change, peekConversation, save } from '../store/conversations';
import { newId, pathTo, shownPath, titleFrom, withMessage, type Conversation, type Message } from '../store/tree';

const kFlushMs = 40; // new text is shown that often,
const kMostShown = 4000; // that many characters at once: after a pause in the network more may have come than a frame has time for

/** Conversation id → how to stop its answer. */
export const running = signal<Record<string, AbortController>>({});
/** Said to screen readers. */
export const announcement = signal('');

/** The model that will answer: the chosen one, else the first that is ready. */
export function modelOf(c: Conversation): string {
  return c.model || chatModels(serverState.value)[0]?.name || '';
}

export function send(id: string, text: string) {
  const c = peekConversation(id);
  if (!c || running.peek()[id]) return;
  const path = shownPath(c);
  say(id, text, path[path.length - 1]?.id ?? '');
}

/** The edited message becomes a sibling of the old one. */
export function edit(id: string, message: Message, text: string) {
  if (!running.peek()[id]) say(id, text, message.parent);
}

/** Another answer to the same message. */
export function retry(id: string, answer: Message) {
  if (!running.peek()[id]) void run(id, answer.parent);
}

export function stop(id: string) {
  running.peek()[id]?.abort();
}

// A page that is left stops its answers: it would see its requests fail, and keep that as the server's failure.
addEventListener('pagehide', () => Object.keys(running.peek()).forEach(stop));

function say(id: string, text: string, parent: string) {
  const message: Message = { id: newId(), parent, role: 'user', content: text, created: Date.now() };
  change(id, (c) => withMessage({ ...c, title: c.title || titleFrom(text) }, message));
  void run(id, message.id);
}

async function run(id: string, parent: string) {
  const c = peekConversation(id);
  if (!c) return;
  const controller = new AbortController();
  running.value = { ...running.peek(), [id]: controller };
  const model = modelOf(c);
  const answer: Message = { id: newId(), parent, role: 'assistant', content: '', created: Date.now(), model };
  change(id, (x) => withMessage(x, answer));
  const writer = new AnswerWriter(id, answer.id);
  const messages = pathTo(c, parent).filter((m) => m.content !== '').map(({ role, content }) => ({ role: role as string, content }));
  if (c.system.trim()) messages.unshift({ role: 'system', content: c.system });
  try {
    const result = await streamChat({ model, messages, sampling: c.sampling }, controller.signal, (piece) => writer.add(piece));
    writer.end(result);
    announcement.value = t.peek().chat.done;
  } catch (error) {
    writer.end({ ending: 'error', error: sentenceOf(error, t.peek().chat.unreachable) });
    announcement.value = t.peek().chat.failed;
    void refreshState(); // the model or the server may be gone
  }
  const { [id]: _, ...others } = running.peek();
  running.value = others;
  void save();
}

/** Gathers pieces and puts them into the message a few times a second. */
class AnswerWriter {
  private text = '';
  private shown = 0;
  private timer = 0;

  constructor(private readonly conversation: string, private readonly message: string) {}

  add(piece: string) {
    this.text += piece;
    this.timer ||= window.setTimeout(() => this.next(), kFlushMs);
  }

  end(last: Partial<Message>) {
    clearTimeout(this.timer);
    this.show(this.text.length, last);
  }

  private next() {
    this.timer = 0;
    this.show(Math.min(this.text.length, this.shown + kMostShown), {});
    if (this.shown < this.text.length) this.add('');
  }

  private show(length: number, more: Partial<Message>) {
    this.shown = length;
    change(this.conversation, (c) => {
      const before = c.messages[this.message];
      return before ? withMessage(c, { ...before, ...more, content: this.text.slice(0, length) }) : c;
    });
  }
}
