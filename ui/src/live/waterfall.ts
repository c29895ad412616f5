// A trace laid out: rows in order of time, places as shares of the whole.
import type { Trace } from '../api/trace';

export interface SpanRow {
  name: string;
  depth: number;
  startUs: number;
  durationUs: number;
  left: number; // percent of the whole
  width: number;
}

const kMostRows = 200;
const kMostDepth = 8;

export function totalUs(trace: Trace): number {
  return trace.spans.reduce((end, s) => Math.max(end, s.start_us + s.duration_us), 0);
}

/** What begins together is shown from the outside in. */
export function rowsOf(trace: Trace): SpanRow[] {
  const total = totalUs(trace);
  const share = (us: number) => (total > 0 ? Math.max(0, Math.min(100, (100 * us) / total)) : 0);
  return [...trace.spans]
    .sort((a, b) => a.start_us - b.start_us || a.depth - b.depth)
    .slice(0, kMostRows)
    .map((s) => ({
      name: s.name,
      depth: Math.max(0, Math.min(kMostDepth, s.depth)),
      startUs: s.start_us,
      durationUs: s.duration_us,
      left: share(s.start_us),
      width: Math.min(share(s.duration_us), 100 - share(s.start_us)),
    }));
}

/** Newest first. */
export function newestFirst(traces: Trace[]): Trace[] {
  return [...traces].sort((a, b) => b.start_ms - a.start_ms);
}
