import { describe, expect, it } from 'vitest';
import type { LiveFigures, ServerState } from '../api/state';
import { mergeHistograms, quantileBetween, Series } from './series';

const bounds = [1, 2, 4];

describe('quantileBetween', () => {
  it('looks only at what is new', () => {
    const before = { bounds, counts: [100, 0, 0, 0] };
    const after = { bounds, counts: [100, 0, 10, 0] };
    expect(quantileBetween(before, after, 0.5)).toBeCloseTo(3);
    expect(quantileBetween(before, after, 1)).toBeCloseTo(4);
  });
  it('is the interpolation that Prometheus makes', () => {
    // histogram_quantile(0.9) of 5 in (0,1], 3 in (1,2], 2 in (2,4]: rank 9 lies in the third, half way.
    expect(quantileBetween({}, { bounds, counts: [5, 3, 2, 0] }, 0.9)).toBeCloseTo(3);
    expect(quantileBetween({}, { bounds, counts: [5, 3, 2, 0] }, 0.25)).toBeCloseTo(0.5);
  });
  it('says the last bound for what is above it', () => expect(quantileBetween({}, { bounds, counts: [0, 0, 0, 7] }, 0.5)).toBe(4));
  it('says nothing where nothing happened', () => {
    expect(quantileBetween({}, {}, 0.5)).toBeNull();
    expect(quantileBetween({ bounds, counts: [1, 1, 1, 1] }, { bounds, counts: [1, 1, 1, 1] }, 0.5)).toBeNull();
  });
});

it('mergeHistograms adds models', () =>
  expect(mergeHistograms([{ bounds, counts: [1, 0, 0, 2] }, {}, { bounds, counts: [1, 1, 0, 0] }])).toEqual({ bounds, counts: [2, 1, 0, 2] }));

function state(seconds: number, live: Partial<LiveFigures>, cpu = 0): ServerState {
  const zero: LiveFigures = {
    running: 0, waiting: 0, kv_blocks: 100, kv_blocks_free: 90, kv_blocks_cached: 6, prompt_tokens: 0, generation_tokens: 0,
    preemptions: 0, prefix_queries: 0, prefix_hits: 0, finished: 0, refused: 0, ttft: {}, inter_token: {},
  };
  return {
    version: '1', seconds, requests: 0, memory_limit_bytes: 0, memory_used_bytes: 0,
    process: { cpu_seconds: cpu, resident_bytes: 7, machine_bytes: 0, machine_available_bytes: 0, num_cpus: 2 },
    models: [
      { name: 'm', version: '', backend: 'native', state: 'ready', progress: 1, stage: '', live: { ...zero, ...live } },
      { name: 'n', version: '', backend: 'native', state: 'failed', progress: 0, stage: '' },
    ],
  };
}

describe('Series', () => {
  it('takes rates between samples, whatever lies between them', () => {
    const series = new Series();
    series.add(state(10, { generation_tokens: 50 }, 1), 1000);
    series.add(state(14, { generation_tokens: 250, running: 3 }, 5), 1004);
    expect(series.rows[0]!.generated).toBeNull();
    expect(series.rows[1]).toMatchObject({ generated: 50, cpu: 1, running: 3, blocksUsed: 4, blocksCached: 6, blocksAll: 100 });
  });
  it('does not count again what a model did before it was unloaded', () => {
    const series = new Series();
    series.add(state(0, { generation_tokens: 5000 }), 0);
    const gone = state(1, {});
    delete gone.models[0]!.live;
    series.add(gone, 1);
    series.add(state(2, { generation_tokens: 5030 }), 2);
    expect(series.rows.map((r) => r.generated)).toEqual([null, 0, 30]);
  });
  it('counts prefix hits of the last seconds', () => {
    const series = new Series();
    series.add(state(0, { prefix_queries: 1000, prefix_hits: 0 }), 0);
    series.add(state(1, { prefix_queries: 1100, prefix_hits: 75 }), 1);
    expect(series.rows[1]!.hitRatio).toBeCloseTo(0.75);
  });
  it('forgets what is older than the window', () => {
    const series = new Series();
    for (let i = 0; i < 1000; i++) series.add(state(i, {}), i);
    expect(series.rows.length).toBe(301);
  });
  it('starts afresh when the server did', () => {
    const series = new Series();
    series.add(state(100, { generation_tokens: 900 }), 0);
    series.add(state(2, { generation_tokens: 3 }), 1);
    expect(series.rows.length).toBe(1);
    expect(series.rows[0]!.generated).toBeNull();
  });
});
