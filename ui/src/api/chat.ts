// One streamed answer of POST /v1/chat/completions, with the times a reader feels.
import { ApiError, errorOf } from './error';
import { SseParser } from './sse';
import type { AnswerStats, Ending, Sampling } from '../store/tree';

export interface ChatRequest {
  model: string;
  messages: { role: string; content: string }[];
  sampling: Sampling;
}

export interface ChatResult {
  ending: Ending;
  stats?: AnswerStats;
}

interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  prompt_tokens_details?: { cached_tokens?: number } | null;
}
interface Chunk {
  choices?: { delta?: { content?: string | null }; finish_reason?: string | null }[];
  usage?: Usage | null;
  error?: { message?: string; code?: string };
}

export function chatBody(request: ChatRequest): string {
  return JSON.stringify({
    model: request.model,
    messages: request.messages,
    stream: true,
    stream_options: { include_usage: true },
    ...request.sampling,
  });
}

/** Calls `onText` with each new piece. Throws ApiError; an abort ends it normally, as 'stopped'. */
export async function streamChat(request: ChatRequest, signal: AbortSignal, onText: (piece: string) => void): Promise<ChatResult> {
  const meter = new Meter();
  try {
    const response = await fetch('/v1/chat/completions', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: chatBody(request),
      signal,
    });
    if (!response.ok || !response.body) throw await errorOf(response);
    return await readStream(response.body, meter, onText);
  } catch (error) {
    if (signal.aborted) return { ending: 'stopped', stats: meter.stats() };
    if (error instanceof ApiError) throw error;
    throw new ApiError('', 0);
  }
}

async function readStream(body: ReadableStream<Uint8Array>, meter: Meter, onText: (piece: string) => void): Promise<ChatResult> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new SseParser();
  let ending: Ending | undefined;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    for (const event of parser.push(decoder.decode(value, { stream: true }))) {
      if (event === '[DONE]') return { ending: ending ?? 'stop', stats: meter.stats() };
      const chunk = JSON.parse(event) as Chunk;
      if (chunk.error) throw new ApiError(chunk.error.message ?? '', 200, chunk.error.code ?? '');
      if (chunk.usage) meter.usage = chunk.usage;
      const choice = chunk.choices?.[0];
      const piece = choice?.delta?.content;
      if (piece) {
        meter.tick();
        onText(piece);
      }
      if (choice?.finish_reason) ending = choice.finish_reason === 'length' ? 'length' : 'stop';
    }
  }
  throw new ApiError('', 0); // the connection ended before the answer did
}

class Meter {
  usage: Usage | null = null;
  private readonly sent = performance.now();
  private first = 0;
  private last = 0;
  private pieces = 0;

  tick() {
    this.last = performance.now();
    this.first ||= this.last;
    this.pieces++;
  }

  /** A stopped answer brings no usage: its pieces are counted instead. */
  stats(): AnswerStats | undefined {
    if (!this.first) return undefined;
    const tokens = this.usage?.completion_tokens ?? this.pieces;
    const seconds = (this.last - this.first) / 1000;
    return {
      ttftMs: this.first - this.sent,
      tokensPerSecond: tokens > 2 && seconds > 0 ? (tokens - 1) / seconds : 0,
      promptTokens: this.usage?.prompt_tokens ?? 0,
      cachedTokens: this.usage?.prompt_tokens_details?.cached_tokens ?? 0,
      completionTokens: tokens,
    };
  }
}
