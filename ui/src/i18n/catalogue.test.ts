import { describe, expect, it } from 'vitest';
import { en } from './en';
import { zh } from './zh';

function leaves(value: unknown, path = ''): [string, unknown][] {
  if (typeof value !== 'object' || value === null) return [[path, value]];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, `${path}.${key}`));
}

describe('the catalogues', () => {
  const english = new Map(leaves(en));
  const chinese = new Map(leaves(zh));
  it('have the same words', () => expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort()));
  it('leave nothing empty', () => {
    for (const [path, word] of [...english, ...chinese]) {
      const text = typeof word === 'function' ? (word as (...a: string[]) => string)('1', '2', '3') : word;
      expect(text, path).toBeTruthy();
    }
  });
  it('use every figure they are given', () => {
    for (const [path, word] of english) {
      if (typeof word !== 'function') continue;
      const other = chinese.get(path) as (...a: string[]) => string;
      const marks = ['①', '②', '③'].slice(0, word.length);
      for (const mark of marks) {
        expect((word as (...a: string[]) => string)(...marks), path).toContain(mark);
        expect(other(...marks), path).toContain(mark);
      }
    }
  });
});
