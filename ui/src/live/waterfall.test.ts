import { describe, expect, it } from 'vitest';
import type { Trace } from '../api/trace';
import { newestFirst, rowsOf, totalUs } from './waterfall';

const span = (name: string, start_us: number, duration_us: number, depth = 1) => ({ name, start_us, duration_us, depth });
const trace = (spans: Trace['spans'], start_ms = 0): Trace => ({ id: 'r', model: 'm', kind: 'chat', start_ms, spans });

describe('a waterfall', () => {
  it('is as long as its last end', () => expect(totalUs(trace([span('a', 0, 10), span('b', 30, 20)]))).toBe(50));
  it('puts each span at its share of the whole, the outer one first', () => {
    const rows = rowsOf(trace([span('inner', 0, 25, 2), span('later', 50, 50), span('all', 0, 100, 0)]));
    expect(rows.map((r) => [r.name, r.left, r.width])).toEqual([['all', 0, 100], ['inner', 0, 25], ['later', 50, 50]]);
  });
  it('is nothing without spans, and does not divide by nothing', () => {
    expect(rowsOf(trace([]))).toEqual([]);
    expect(rowsOf(trace([span('a', 0, 0)]))[0]).toMatchObject({ left: 0, width: 0 });
  });
  it('ends somewhere, however much is sent', () => {
    const rows = rowsOf(trace(Array.from({ length: 5000 }, (_, i) => span('x', i, 1, i))));
    expect(rows.length).toBe(200);
    expect(Math.max(...rows.map((r) => r.depth))).toBe(8);
  });
});

it('traces come newest first', () => {
  expect(newestFirst([trace([], 1), trace([], 3), trace([], 2)]).map((x) => x.start_ms)).toEqual([3, 2, 1]);
});
