import { describe, expect, it } from 'vitest';
import { exportConversations, importConversations } from './portable';
import { newConversation, shownPath, withMessage, type Conversation } from './tree';

function sample(): Conversation {
  let c = { ...newConversation(), title: 'Sky', model: 'm', system: 'Be brief.', sampling: { temperature: 0, stop: ['x'] } };
  c = withMessage(c, { id: 'a', parent: '', role: 'user', content: 'Why?', created: 1 }) as typeof c;
  return withMessage(c, {
    id: 'b', parent: 'a', role: 'assistant', content: 'Because.', created: 2, model: 'm', ending: 'stop',
    stats: { ttftMs: 5, tokensPerSecond: 40, promptTokens: 3, cachedTokens: 1, completionTokens: 9 },
  });
}

const file = (conversations: unknown) => JSON.stringify({ format: 'millrace-conversations', version: 1, conversations });

describe('export and import', () => {
  it('bring back the same under a new id', () => {
    const one = sample();
    const [back] = importConversations(exportConversations([one]))!;
    expect(back!.id).not.toBe(one.id);
    expect({ ...back, id: one.id }).toEqual(one);
    expect(shownPath(back!).map((m) => m.content)).toEqual(['Why?', 'Because.']);
  });

  it.each(['', '[]', '{}', 'null', '{"format":"other","version":1,"conversations":[]}', file({}), file([1]), file([{}]),
    file([{ messages: { a: { id: 'a', role: 'system', content: '' } } }]),
    file([{ messages: { a: { id: '<b>', role: 'user', content: '' } } }]),
    file([{ messages: { a: { id: 'a', role: 'user', content: 5 } } }]),
  ])('refuse what is not such a file: %s', (text) => expect(importConversations(text)).toBeNull());

  it('keep nothing that was not asked for', () => {
    const [back] = importConversations(
      '{"format":"millrace-conversations","version":1,"conversations":[{"evil":1,"title":5,"sampling":{"temperature":"hot",' +
      '"n":9},"shown":{"":"zz"},"messages":{"a":{"id":"a","parent":"","role":"user","content":"x","html":"<b>"}}}]}')!;
    expect(Object.keys(back!)).not.toContain('evil');
    expect(back!.title).toBe('');
    expect(back!.sampling).toEqual({});
    expect(back!.shown).toEqual({});
    expect(Object.keys(back!.messages.a!)).toEqual(['id', 'parent', 'role', 'content', 'created']);
  });

  it('do not touch prototypes', () => {
    importConversations(file([{ messages: { a: { id: '__proto__', role: 'user', content: 'x' } } }]));
    expect(({} as Record<string, unknown>).content).toBeUndefined();
  });
});
