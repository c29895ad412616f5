// GET /ui/state, as src/api/ui/state.cc writes it. Counters only grow; differences of two states are rates.

export interface Histogram {
  bounds?: number[];
  counts?: number[]; // one more than bounds; each bucket alone
  sum?: number;
}

export interface LiveFigures {
  running: number;
  waiting: number;
  kv_blocks: number;
  kv_blocks_free: number;
  kv_blocks_cached: number;
  prompt_tokens: number;
  generation_tokens: number;
  preemptions: number;
  prefix_queries: number;
  prefix_hits: number;
  finished: number;
  refused: number;
  ttft: Histogram;
  inter_token: Histogram;
}

/** What may be asked of a model about pictures. */
export type Task = 'classify' | 'detect';

export interface ModelInfo {
  name: string;
  version: string;
  backend: string;
  state: 'waiting' | 'loading' | 'ready' | 'failed' | 'unloading' | 'unloaded';
  progress: number;
  stage: string;
  task?: Task;
  chats?: boolean; // it has a chat template
  family?: string;
  weights?: string;
  kernels?: string;
  parameters?: number;
  weight_bytes?: number;
  kv_cache_bytes?: number;
  kv_block_tokens?: number;
  max_model_len?: number;
  max_num_seqs?: number;
  vocab_size?: number;
  default_sampling?: Record<'temperature' | 'top_p' | 'top_k' | 'min_p' | 'repetition_penalty', number>;
  live?: LiveFigures;
}

export interface ServerState {
  version: string;
  seconds: number; // the server's clock, for rates
  requests: number;
  control?: 'none' | 'poll' | 'explicit'; // who decides what is loaded: the start, the folder, or whoever asks
  memory_limit_bytes: number;
  memory_used_bytes: number;
  process: {
    cpu_seconds: number;
    resident_bytes: number;
    machine_bytes: number;
    machine_available_bytes: number;
    num_cpus: number;
  };
  models: ModelInfo[];
}

/** Models that answer chats. */
export function chatModels(state: ServerState | null): ModelInfo[] {
  return state?.models.filter((m) => m.state === 'ready' && m.live && m.chats !== false) ?? [];
}

/** Models that can be asked about pictures. */
export function imageModels(state: ServerState | null): ModelInfo[] {
  return state?.models.filter((m) => m.state === 'ready' && (m.task === 'classify' || m.task === 'detect')) ?? [];
}
