import { marked } from 'marked';
import { describe, expect, it } from 'vitest';
import { GrowingMarkdown } from './blocks';

const kText = `# Title

A paragraph with **bold**
over two lines.

- one
- two

  still two
- three

1. first

\`\`\`python
def f():

    return 1
\`\`\`

> quoted
lazily

| a | b |
|---|---|
| 1 | 2 |

See [that][x] page.

[x]: https://example.org/ "title"

Setext
======

<div>

html

</div>

~~~
open fence
`;

/** What the lexer makes of the whole text at once. */
function whole(text: string): string[] {
  return marked.lexer(text).filter((t) => t.type !== 'space' && t.type !== 'def').map((t) => t.raw.trim());
}

describe('GrowingMarkdown', () => {
  it.each([1, 2, 3, 7, 40])('finds the blocks of the whole text, growing by %i', (step) => {
    const growing = new GrowingMarkdown();
    let blocks = growing.update('');
    for (let i = 0; i < kText.length; i += step) blocks = growing.update(kText.slice(0, i + step));
    expect(blocks.map((b) => b.raw.trim())).toEqual(whole(kText));
  });

  it('keeps settled blocks as they are', () => {
    const growing = new GrowingMarkdown();
    const before = growing.update('one\n\ntwo\n\nthree');
    const after = growing.update('one\n\ntwo\n\nthree and more\n\nfour');
    expect(after[0]).toBe(before[0]);
    expect(after[1]).toBe(before[1]);
    expect(after.map((b) => b.raw.trim())).toEqual(['one', 'two', 'three and more', 'four']);
  });

  it('reads only the end again', () => {
    const growing = new GrowingMarkdown();
    const paragraph = 'word '.repeat(40) + '\n\n';
    let text = '';
    let read = 0;
    const lexer = marked.lexer;
    marked.lexer = ((src: string, options) => ((read += src.length), lexer(src, options))) as typeof lexer;
    try {
      for (let i = 0; i < 500; i++) growing.update((text += paragraph));
    } finally {
      marked.lexer = lexer;
    }
    expect(read).toBeLessThan(text.length * 4);
  });

  it('starts again when the text is another', () => {
    const growing = new GrowingMarkdown();
    growing.update('a\n\nb\n\nc');
    expect(growing.update('x\n\ny').map((b) => b.raw.trim())).toEqual(['x', 'y']);
  });

  it('tells code and link definitions', () => {
    const growing = new GrowingMarkdown();
    const blocks = growing.update('```c++ x\nint a;\n```\n\n[r]: https://example.org\n');
    expect(blocks[0]!.code).toEqual({ text: 'int a;', language: 'c++' });
    expect(growing.links()).toBe('[r]: https://example.org\n');
  });

  it.each(['- item **i**', '7. item i\n   more', '* [ ] task\n'])('cuts long lists the same however they grow: %s', (item) => {
    const text = 'Before\n\n' + Array.from({ length: 130 }, () => item).join('\n') + '\n\nAfter';
    const growing = new GrowingMarkdown();
    let blocks = growing.update('');
    let most = 0;
    for (let i = 0; i < text.length; i += 11) blocks = growing.update(text.slice(0, i + 11));
    for (const b of blocks) most = Math.max(most, b.raw.length);
    expect(blocks.map((b) => b.raw).join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''));
    expect(blocks.map((b) => b.raw.trim())).toEqual(new GrowingMarkdown().update(text).map((b) => b.raw.trim()));
    expect(most).toBeLessThan(text.length / 2);
  });

  it('shows as it is what cannot be read', () => {
    const deep = '>'.repeat(20_000);
    expect(new GrowingMarkdown().update(`fine\n\n${deep}`)).toEqual([{ raw: `fine\n\n${deep}`, plain: true }]);
  });

  it('reads a slow text less often, and once more when it is whole', () => {
    let clock = 0;
    const growing = new GrowingMarkdown(() => (clock += 50));
    expect(growing.update('one', false).map((b) => b.raw)).toEqual(['one']);
    expect(growing.update('one two', false).map((b) => b.raw)).toEqual(['one']);
    expect(growing.behind()).toBeGreaterThan(0);
    expect(growing.update('one two', true).map((b) => b.raw)).toEqual(['one two']);
    expect(growing.behind()).toBe(0);
    clock += 10_000;
    expect(growing.update('one two three', false).map((b) => b.raw)).toEqual(['one two three']);
  });
});
