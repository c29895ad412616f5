import { describe, expect, it } from 'vitest';
import { childrenOf, newConversation, pathTo, shownPath, titleFrom, withMessage, withSibling, type Message } from './tree';

let clock = 1;
const message = (id: string, parent: string, role: Message['role'] = 'user'): Message => ({
  id, parent, role, content: id, created: clock++,
});
const ids = (list: Message[]) => list.map((m) => m.id).join(' ');

function branched() {
  let c = newConversation();
  for (const m of [message('a', ''), message('b', 'a', 'assistant'), message('c', 'b'), message('d', 'c', 'assistant')]) {
    c = withMessage(c, m);
  }
  return c;
}

describe('a conversation', () => {
  it('shows what was said', () => expect(ids(shownPath(branched()))).toBe('a b c d'));

  it('shows a retried answer and keeps the old one', () => {
    const c = withMessage(branched(), message('d2', 'c', 'assistant'));
    expect(ids(shownPath(c))).toBe('a b c d2');
    expect(ids(childrenOf(c, 'c'))).toBe('d d2');
    expect(ids(shownPath(withSibling(c, 'd2', -1)))).toBe('a b c d');
    expect(withSibling(c, 'd2', 1)).toBe(c);
  });

  it('remembers which way each branch went', () => {
    let c = withMessage(branched(), message('a2', ''));
    expect(ids(shownPath(c))).toBe('a2');
    c = withMessage(c, message('b2', 'a2', 'assistant'));
    c = withSibling(c, 'a2', -1);
    expect(ids(shownPath(c))).toBe('a b c d');
    expect(ids(shownPath(withSibling(c, 'a', 1)))).toBe('a2 b2');
  });

  it('sends only its own branch', () => {
    const c = withMessage(branched(), message('d2', 'c', 'assistant'));
    expect(ids(pathTo(c, 'c'))).toBe('a b c');
  });

  it('replaces a message without changing what is shown', () => {
    const c = withSibling(withMessage(branched(), message('d2', 'c')), 'd2', -1);
    const after = withMessage(c, { ...c.messages.d2!, content: 'more' });
    expect(ids(shownPath(after))).toBe('a b c d');
    expect(c.messages.d2!.content).toBe('d2');
  });

  it('ends on data that goes in circles', () => {
    const c = newConversation();
    c.messages = { a: message('a', 'b'), b: message('b', 'a') };
    expect(shownPath(c)).toEqual([]);
    expect(ids(pathTo(c, 'a'))).toBe('b a');
  });
});

describe('a title', () => {
  it('is the first words on one line', () => expect(titleFrom('  Why is\n the sky  blue? ')).toBe('Why is the sky blue?'));
  it('counts letters, not halves of them', () => {
    const title = titleFrom('🦊'.repeat(100));
    expect(Array.from(title).length).toBe(60);
    expect(title.endsWith('🦊…')).toBe(true);
  });
});
