// The last minutes of the server's figures, as columns for plots. Rates and percentiles are of the time between samples:
// percentiles over the last few seconds, so that a quiet second does not leave a hole.
import type { Histogram, ServerState } from '../api/state';

export const kWindowSeconds = 300;
const kPercentileSeconds = 10;

export const columns = [
  'time', 'running', 'waiting', 'generated', 'prompted', 'ttft50', 'ttft99', 'inter50', 'inter99', 'blocksUsed', 'blocksCached',
  'blocksAll', 'hitRatio', 'cpu', 'resident',
] as const;
export type Column = (typeof columns)[number];
export type Row = Record<Column, number | null>;

interface Totals {
  seconds: number;
  generated: number;
  prompted: number;
  queries: number;
  hits: number;
  cpu: number;
  ttft: Histogram;
  inter: Histogram;
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

function totalsOf(state: ServerState): Totals {
  const live = state.models.flatMap((m) => (m.live ? [m.live] : []));
  const sum = (pick: (l: (typeof live)[number]) => number) => live.reduce((a, l) => a + pick(l), 0);
  return {
    seconds: state.seconds,
    generated: sum((l) => l.generation_tokens),
    prompted: sum((l) => l.prompt_tokens),
    queries: sum((l) => l.prefix_queries),
    hits: sum((l) => l.prefix_hits),
    cpu: state.process.cpu_seconds,
    ttft: mergeHistograms(live.map((l) => l.ttft)),
    inter: mergeHistograms(live.map((l) => l.inter_token)),
  };
}

export class Series {
  readonly rows: Row[] = [];
  private history: Totals[] = []; // as far back as percentiles look

  add(state: ServerState, nowSeconds = Date.now() / 1000) {
    const now = totalsOf(state);
    const last = this.history[this.history.length - 1];
    if (last && now.seconds < last.seconds) this.clear(); // another server process
    const before = this.history[this.history.length - 1];
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
    const sum = (pick: (l: (typeof live)[number]) => number) => live.reduce((a, l) => a + pick(l), 0);
    const rate = (pick: (t: Totals) => number) => {
      const seconds = before ? now.seconds - before.seconds : 0;
      return before && seconds > 0 ? Math.max(0, pick(now) - pick(before)) / seconds : null;
    };
    const percentile = (pick: (t: Totals) => Histogram, q: number) =>
      old ? quantileBetween(pick(old), pick(now), q) : null;
    const queried = old ? now.queries - old.queries : 0;
    const blocks = sum((l) => l.kv_blocks);
    const cached = sum((l) => l.kv_blocks_cached);
    return {
      time,
      running: sum((l) => l.running),
      waiting: sum((l) => l.waiting),
      generated: rate((t) => t.generated),
      prompted: rate((t) => t.prompted),
      ttft50: percentile((t) => t.ttft, 0.5),
      ttft99: percentile((t) => t.ttft, 0.99),
      inter50: percentile((t) => t.inter, 0.5),
      inter99: percentile((t) => t.inter, 0.99),
      blocksUsed: blocks - sum((l) => l.kv_blocks_free) - cached,
      blocksCached: cached,
      blocksAll: blocks,
      hitRatio: old && queried > 0 ? (now.hits - old.hits) / queried : null,
      cpu: rate((t) => t.cpu),
      resident: state.process.resident_bytes,
    };
  }
}
