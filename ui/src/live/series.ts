// The last minutes of the server's figures, as columns for plots. Rates and percentiles are of the time between samples:
// percentiles over the last few seconds, so that a quiet second does not leave a hole.
import type { Histogram, LiveFigures, ServerState } from '../api/state';

export const kWindowSeconds = 300;
const kPercentileSeconds = 10;

export const columns = [
  'time', 'running', 'waiting', 'generated', 'prompted', 'ttft50', 'ttft99', 'inter50', 'inter99', 'blocksUsed', 'blocksCached',
  'blocksAll', 'hitRatio', 'cpu', 'resident',
] as const;
export type Column = (typeof columns)[number];
export type Row = Record<Column, number | null>;

/** What grows, by model. One that is unloaded is remembered: what it did before is not done again when it comes back. */
interface Totals {
  seconds: number;
  cpu: number;
  models: Map<string, LiveFigures>;
}

/** The quantile of what was observed between the two, in the histogram's unit; null where nothing was. */
export function quantileBetween(before: Histogram, after: Histogram, q: number): number | null {
  const { bounds, counts } = after;
  if (!bounds || !counts) return null;
  const fresh = counts.map((n, i) => Math.max(0, n - (before.counts?.[i] ?? 0)));
  const total = fresh.reduce((a, b) => a + b, 0);
  if (total === 0) return null;
  let rank = q * total;
  for (let i = 0; i < fresh.length; i++) {
    const n = fresh[i]!;
    if (rank <= n && n > 0) {
      const low = i === 0 ? 0 : bounds[i - 1]!;
      const high = bounds[i] ?? low; // above the last bound: at least that
      return low + ((high - low) * rank) / n;
    }
    rank -= n;
  }
  return bounds[bounds.length - 1] ?? null;
}

/** Sums histograms of the same buckets; one with other buckets is left out. */
export function mergeHistograms(list: Histogram[]): Histogram {
  const first = list.find((h) => h.counts?.length);
  if (!first) return {};
  const counts = new Array<number>(first.counts!.length).fill(0);
  for (const h of list) {
    if (h.counts?.length === counts.length) h.counts.forEach((n, i) => (counts[i]! += n));
  }
  return { bounds: first.bounds, counts };
}

function totalsOf(state: ServerState, before?: Totals): Totals {
  const models = new Map(before?.models);
  for (const m of state.models) if (m.live) models.set(m.name, m.live);
  return { seconds: state.seconds, cpu: state.process.cpu_seconds, models };
}

/** The models that are in both, as they were and as they are. */
function pairs(before: Totals, now: Totals): [LiveFigures, LiveFigures][] {
  return [...now.models].flatMap(([name, live]) => {
    const then = before.models.get(name);
    return then ? [[then, live]] : [];
  });
}

type Count = (live: LiveFigures) => number;

function grown(before: Totals, now: Totals, count: Count): number {
  return pairs(before, now).reduce((sum, [then, live]) => sum + Math.max(0, count(live) - count(then)), 0);
}

export class Series {
  readonly rows: Row[] = [];
  private history: Totals[] = []; // as far back as percentiles look

  add(state: ServerState, nowSeconds = Date.now() / 1000) {
    const last = this.history[this.history.length - 1];
    if (last && state.seconds < last.seconds) this.clear(); // another server process
    const before = this.history[this.history.length - 1];
    const now = totalsOf(state, before);
    const old = this.history[0];
    this.rows.push(this.row(state, nowSeconds, now, before, old));
    this.history.push(now);
    while (this.history.length > 1 && now.seconds - this.history[1]!.seconds >= kPercentileSeconds) this.history.shift();
    while (this.rows.length > 0 && nowSeconds - this.rows[0]!.time! > kWindowSeconds) this.rows.shift();
  }

  clear() {
    this.rows.length = 0;
    this.history = [];
  }

  column(name: Column): (number | null)[] {
    return this.rows.map((r) => r[name]);
  }

  private row(state: ServerState, time: number, now: Totals, before?: Totals, old?: Totals): Row {
    const live = state.models.flatMap((m) => (m.live ? [m.live] : []));
    const sum = (count: Count) => live.reduce((a, l) => a + count(l), 0);
    const seconds = before ? now.seconds - before.seconds : 0;
    const rate = (count: Count) => (before && seconds > 0 ? grown(before, now, count) / seconds : null);
    const percentile = (pick: (l: LiveFigures) => Histogram, q: number) => {
      const both = old ? pairs(old, now) : [];
      return quantileBetween(mergeHistograms(both.map(([then]) => pick(then))), mergeHistograms(both.map(([, l]) => pick(l))), q);
    };
    const queried = old ? grown(old, now, (l) => l.prefix_queries) : 0;
    const blocks = sum((l) => l.kv_blocks);
    const cached = sum((l) => l.kv_blocks_cached);
    return {
      time,
      running: sum((l) => l.running),
      waiting: sum((l) => l.waiting),
      generated: rate((l) => l.generation_tokens),
      prompted: rate((l) => l.prompt_tokens),
      ttft50: percentile((l) => l.ttft, 0.5),
      ttft99: percentile((l) => l.ttft, 0.99),
      inter50: percentile((l) => l.inter_token, 0.5),
      inter99: percentile((l) => l.inter_token, 0.99),
      blocksUsed: blocks - sum((l) => l.kv_blocks_free) - cached,
      blocksCached: cached,
      blocksAll: blocks,
      hitRatio: old && queried > 0 ? grown(old, now, (l) => l.prefix_hits) / queried : null,
      cpu: before && seconds > 0 ? (now.cpu - before.cpu) / seconds : null,
      resident: state.process.resident_bytes,
    };
  }
}
