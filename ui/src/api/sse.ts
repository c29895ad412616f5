// Server-sent events, as much as the chat API uses: data lines and comments. Text may arrive cut anywhere.

export class SseParser {
  private rest = '';
  private data: string[] = [];

  /** The data of each event that this text completes. */
  push(text: string): string[] {
    this.rest += text;
    const events: string[] = [];
    for (;;) {
      const end = this.rest.search(/\r\n|\n|\r(?!$)/); // a \r at the end may be half of \r\n
      if (end < 0) return events;
      const line = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + (this.rest.startsWith('\r\n', end) ? 2 : 1));
      if (line === '') {
        if (this.data.length > 0) events.push(this.data.join('\n'));
        this.data = [];
      } else if (line.startsWith('data:')) {
        this.data.push(line.slice(line[5] === ' ' ? 6 : 5));
      }
    }
  }
}
