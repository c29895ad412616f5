// Markdown that grows: top-level blocks that cannot change any more are kept, only the text behind them is read again. Long
// lists are cut into several blocks for the same reason. Text that is slow to read is read less often until it is whole.
import { marked, type Token, type Tokens } from 'marked';

export interface Block {
  raw: string;
  /** Set for a fenced or indented code block at the top level. */
  code?: { text: string; language: string };
  /** The reader gave up on it: show the text as it is. */
  plain?: boolean;
}

const kLongList = 40; // items; a longer one
const kListPart = 20; // gives up that many at a time
const kSlowMs = 20;
const kRest = 8; // times the time it took, before a slow text is read again,
const kMostRestMs = 2000; // but no longer: the machine may have been busy with something else

export class GrowingMarkdown {
  private text = '';
  private settled: Block[] = [];
  private settledLength = 0;
  private definitions = '';
  private shown: Block[] = [];
  private notBefore = 0;
  private late = 0;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** The blocks of the text; those that were settled before are the same objects as before. */
  update(text: string, whole = true): Block[] {
    const start = this.now();
    this.late = whole ? 0 : Math.max(0, this.notBefore - start);
    if (this.late > 0) return this.shown;
    if (!text.startsWith(this.text)) {
      this.settled = [];
      this.settledLength = 0;
      this.definitions = '';
    }
    this.text = text;
    this.shown = this.read(text.slice(this.settledLength));
    const cost = this.now() - start;
    this.notBefore = cost > kSlowMs ? start + cost + Math.min(cost * kRest, kMostRestMs) : 0;
    return this.shown;
  }

  /** 0, or the time in ms after which the text given last wants to be given again: it was not read. */
  behind(): number {
    return this.late;
  }

  /** Link definitions seen so far, as Markdown: blocks are rendered one by one and may refer to them. */
  links(): string {
    return this.definitions;
  }

  private read(rest: string): Block[] {
    let tokens: Token[];
    try {
      tokens = marked.lexer(rest, { gfm: true });
    } catch {
      return [...this.settled, { raw: rest, plain: true }]; // nested so deeply that the stack ended
    }
    // The last block may still grow, and the one before it may yet be joined to it (a blank line within a list).
    let last = tokens.length - 1;
    while (last >= 0 && tokens[last]!.type === 'space') last--;
    const open: Block[] = [];
    tokens.forEach((token, i) => {
      if (token.type === 'def') this.noteDefinition(token.raw);
      const blocks = token.type === 'space' || token.type === 'def' ? [] : blocksOf(token);
      if (i < last) this.settle(token.raw.length, blocks);
      else if (blocks.length > 1) {
        const end = blocks.pop()!;
        this.settle(token.raw.length - end.raw.length, blocks);
        open.push(end);
      } else open.push(...blocks);
    });
    return [...this.settled, ...open];
  }

  private settle(length: number, blocks: Block[]) {
    this.settledLength += length;
    this.settled.push(...blocks);
  }

  private noteDefinition(raw: string) {
    const line = raw.trimEnd() + '\n';
    if (!this.definitions.includes(line)) this.definitions += line;
  }
}

function blocksOf(token: Token): Block[] {
  if (token.type === 'list') return partsOf(token as Tokens.List);
  if (token.type !== 'code') return [{ raw: token.raw }];
  const code = token as Tokens.Code;
  const language = (code.lang ?? '').trim().split(/\s/)[0] ?? '';
  return [{ raw: code.raw, code: { text: code.text, language } }];
}

/** A long list in parts: as many as the same list gives when it grows item by item. */
function partsOf(list: Tokens.List): Block[] {
  const parts: Block[] = [];
  let at = 0;
  let first = 0;
  while (list.items.length - first > kLongList) {
    const raw = list.items.slice(first, first + kListPart).map((item) => item.raw).join('');
    if (!list.raw.startsWith(raw, at)) break;
    parts.push({ raw });
    at += raw.length;
    first += kListPart;
  }
  parts.push({ raw: list.raw.slice(at) });
  return parts;
}
