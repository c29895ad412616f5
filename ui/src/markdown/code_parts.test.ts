import { describe, expect, it } from 'vitest';
import { htmlParts, textParts } from './code_parts';

const lines = (n: number) => Array.from({ length: n }, (_, i) => `line ${i}\n`).join('');
const textOf = (html: string) => html.replace(/<[^>]*>/g, '');

describe('parts of code', () => {
  it.each(['', 'a', 'a\n', '\n', lines(39), lines(40), lines(41), lines(80) + 'end', lines(200)])('are all of it, text and HTML alike', (text) => {
    expect(textParts(text).join('')).toBe(text);
    expect(htmlParts(text).map(textOf)).toEqual(textParts(text));
  });

  it('stay as they are when more comes', () => {
    const before = textParts(lines(100));
    expect(textParts(lines(300)).slice(0, 2)).toEqual(before.slice(0, 2));
  });

  it('close what is open, and open it again', () => {
    const html = `<span class="hljs-comment">${lines(50)}<span class="x">in</span></span>after`;
    const parts = htmlParts(html);
    expect(parts).toHaveLength(2);
    expect(parts[0]).toBe(`<span class="hljs-comment">${lines(40)}</span>`);
    expect(parts[1]).toMatch(/^<span class="hljs-comment">line 40\n[^]*<span class="x">in<\/span><\/span>after$/);
  });
});
