// GET /ui/trace: the latest requests, each as the spans it went through.
export interface Span {
  name: string;
  start_us: number; // since the request came
  duration_us: number;
  depth: number; // 0: the whole; deeper lies within
}

export interface Trace {
  id: string;
  model: string;
  kind: 'chat' | 'tensor' | 'pipeline';
  start_ms: number; // since 1970
  done?: boolean;
  spans: Span[];
}

/** null where this server keeps none. Throws where it cannot be reached. */
export async function fetchTraces(): Promise<Trace[] | null> {
  const response = await fetch('/ui/trace', { cache: 'no-store', signal: AbortSignal.timeout(8000) });
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(response.statusText);
  return ((await response.json()) as { traces?: Trace[] }).traces ?? [];
}
