import { describe, expect, it } from 'vitest';
import { SseParser } from './sse';

const kStream = 'data: {"a":1}\n\n: ping\n\ndata: first\r\ndata:second\r\n\r\nevent: x\ndata: [DONE]\n\n';
const kEvents = ['{"a":1}', 'first\nsecond', '[DONE]'];

describe('SseParser', () => {
  it('reads events', () => expect(new SseParser().push(kStream)).toEqual(kEvents));

  it('does not care where the text is cut', () => {
    for (let a = 0; a <= kStream.length; a++) {
      for (let b = a; b <= kStream.length; b += 3) {
        const parser = new SseParser();
        const events = [kStream.slice(0, a), kStream.slice(a, b), kStream.slice(b)].flatMap((part) => parser.push(part));
        expect(events).toEqual(kEvents);
      }
    }
  });

  it('waits for the empty line', () => expect(new SseParser().push('data: half\n')).toEqual([]));
});
